//! Members posted together: as many as the service takes at once.

use bytes::Bytes;

use crate::domain::{Presets, UserId};

/// How large a body may be; the service takes 8 MiB.
pub const BYTES_AT_MOST: usize = 7 * 1024 * 1024;
/// So many members at once: the service looks up each of their pictures before it answers.
pub const MEMBERS_AT_MOST: usize = 500;

/// Members posted together.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch {
    /// How many.
    pub members: usize,
    /// A JSON object of their presets.
    pub body: Bytes,
}

/// Puts members together, in their order. One who is too large for a batch has his own: the service shall judge him.
///
/// # Errors
/// When presets cannot be written as JSON; any can.
pub fn batches<'a>(
    members: impl IntoIterator<Item = (&'a UserId, Presets)>,
    bytes_at_most: usize,
    members_at_most: usize,
) -> serde_json::Result<Vec<Batch>> {
    let mut batches = Vec::new();
    let (mut number, mut body) = (0, String::new());
    for (user, presets) in members {
        let entry = format!("\"{user}\":{}", serde_json::to_string(&presets)?);
        // Two braces and a comma.
        let is_full = body.len() + entry.len() + 3 > bytes_at_most || number == members_at_most;
        if is_full && number > 0 {
            batches.push(batch(number, &body));
            (number, body) = (0, String::new());
        }
        if number > 0 {
            body.push(',');
        }
        body.push_str(&entry);
        number += 1;
    }
    if number > 0 {
        batches.push(batch(number, &body));
    }
    Ok(batches)
}

fn batch(members: usize, entries: &str) -> Batch {
    Batch { members, body: format!("{{{entries}}}").into() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Preset, Users};

    fn member(number: usize, name: &str) -> (UserId, Presets) {
        let preset = Preset { name: Some(name.to_owned()), picture: None };
        (format!("U{number:03}").parse().unwrap(), Presets([("default".to_owned(), preset)].into()))
    }

    fn put(members: &Users, bytes: usize, number: usize) -> Vec<Batch> {
        batches(members.iter().map(|(user, presets)| (user, presets.clone())), bytes, number).unwrap()
    }

    proptest! {
        #[test]
        fn all_members_are_in_and_no_batch_is_too_large(
            names in proptest::collection::vec("[a-zé\"]{0,40}", 0..30), bytes in 100_usize..400, number in 1_usize..9
        ) {
            let members: Users = names.iter().enumerate().map(|(number, name)| member(number, name)).collect();

            let batches = put(&members, bytes, number);

            let mut all = Users::new();
            for batch in &batches {
                let inside: Users = serde_json::from_slice(&batch.body).unwrap();
                prop_assert_eq!(inside.len(), batch.members);
                // One member alone may be too large.
                prop_assert!(batch.body.len() <= bytes || batch.members == 1);
                prop_assert!((1..=number).contains(&batch.members));
                all.extend(inside);
            }
            prop_assert_eq!(all, members);
        }
    }

    #[test]
    fn a_member_too_large_for_any_batch_has_his_own() {
        let members: Users = [member(1, "a"), member(2, &"b".repeat(200)), member(3, "c")].into();

        let numbers: Vec<_> = put(&members, 100, 9).iter().map(|batch| batch.members).collect();

        assert_eq!(numbers, [1, 1, 1]);
    }
}
