//! How every member stands, for the operator's page.

use actix::{Handler, Message, MessageResponse};

use crate::{
    actors::chronicler::Ending,
    applied::{How, Record},
    domain::{Emoji, Part, Presets, UserId},
};

use super::Reconciler;

/// Asks how the members stand, those with the worst endings first.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Members")]
pub struct TellMembers {
    /// So many of them are told one by one.
    pub at_most: usize,
}

/// How the members stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, MessageResponse)]
pub struct Members {
    /// How many are onboarded.
    pub total: usize,
    /// How many have a part that ended so, in the order of [`Ending::ALL`].
    pub counts: [usize; 4],
    /// The members, as many as were asked for.
    pub rows: Vec<Member>,
}

/// How one member stands. Nothing of his profile is in it but the emoji that is known of him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// His id.
    pub user: UserId,
    /// The name that he keeps for no particular status.
    pub label: Option<String>,
    /// His status, as last seen.
    pub emoji: Option<Emoji>,
    /// What came of his name and of his picture.
    pub parts: [PartState; 2],
}

/// How a part of a member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartState {
    /// No preset wants anything of it for his status.
    Unwanted,
    /// A preset does, and nothing has come of that yet.
    Open,
    /// It ended so.
    Ended(Ending),
}

impl Member {
    fn new(user: &UserId, presets: &Presets, record: Option<&Record>) -> Self {
        let emoji = record.and_then(|record| record.emoji.clone());
        let preset = emoji.as_ref().and_then(|emoji| presets.for_emoji(emoji));
        let parts = [Part::Name, Part::Picture].map(|part| {
            let is_wanted = preset.is_some_and(|preset| match part {
                Part::Name => preset.name.is_some(),
                Part::Picture => preset.picture.is_some(),
            });
            match record.and_then(|record| record.part(part)) {
                _ if !is_wanted => PartState::Unwanted,
                Some(ended) => PartState::Ended(Ending::of(&ended.how)),
                None => PartState::Open,
            }
        });
        let label = presets.0.get("default").and_then(|preset| preset.name.clone());
        Self { user: user.clone(), label, emoji, parts }
    }

    fn has(&self, ending: Ending) -> bool {
        self.parts.contains(&PartState::Ended(ending))
    }

    /// The worse, the earlier he is told.
    fn rank(&self) -> usize {
        Ending::ALL
            .iter()
            .rev()
            .position(|ending| *ending != Ending::Applied && self.has(*ending))
            .unwrap_or(3)
    }
}

impl Ending {
    fn of(how: &How) -> Self {
        match how {
            How::Applied => Self::Applied,
            How::Skipped(_) => Self::Skipped,
            How::Refused(_) => Self::Refused,
            How::Failed(_) => Self::Failed,
        }
    }
}

impl Handler<TellMembers> for Reconciler {
    type Result = Members;

    fn handle(&mut self, TellMembers { at_most }: TellMembers, _ctx: &mut Self::Context) -> Members {
        let users = self.parts.directory.load().users.clone().unwrap_or_default();
        let mut rows: Vec<Member> =
            users.iter().map(|(user, presets)| Member::new(user, presets, self.records.get(user))).collect();
        let counts = Ending::ALL.map(|ending| rows.iter().filter(|member| member.has(ending)).count());
        // Stable: those of one rank stay in the order of their ids.
        rows.sort_by_key(Member::rank);
        rows.truncate(at_most);
        Members { total: users.len(), counts, rows }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        applied::{Change, Ended, Tokens, Wanted},
        clock::Instant,
    };

    fn presets() -> Presets {
        serde_json::from_value(json!({
            "default": { "name": "Ann" },
            ":palm_tree:": { "name": "Ann (away)", "picture": "file:///x" },
        }))
        .unwrap()
    }

    fn record(emoji: &str, endings: &[(Part, How)]) -> Record {
        let mut record = Record::default();
        record.apply(Change::Saw { emoji: Emoji::new(emoji), expiration: 0, began: Instant::now() });
        for (part, how) in endings {
            record.apply(Change::Ended(*part, Ended { wanted: Wanted::new("x"), how: how.clone() }));
        }
        record
    }

    fn member(record: Option<&Record>) -> Member {
        Member::new(&"U1".parse().unwrap(), &presets(), record)
    }

    #[test]
    fn a_part_stands_as_it_ended_if_a_preset_wants_it() {
        let both = [(Part::Name, How::Applied), (Part::Picture, How::Skipped(Tokens::new()))];
        let away = member(Some(&record(":palm_tree:", &both)));
        assert_eq!(away.parts, [PartState::Ended(Ending::Applied), PartState::Ended(Ending::Skipped)]);

        let back = member(Some(&record("", &both)));
        assert_eq!(back.parts, [PartState::Ended(Ending::Applied), PartState::Unwanted]);
        assert_eq!(member(Some(&record("", &[]))).parts, [PartState::Open, PartState::Unwanted]);
    }

    #[test]
    fn who_was_not_seen_yet_has_no_status_and_keeps_his_name() {
        let unseen = member(None);

        assert_eq!((unseen.emoji, unseen.label.as_deref()), (None, Some("Ann")));
        assert_eq!(unseen.parts, [PartState::Unwanted; 2]);
    }

    #[test]
    fn the_worst_ending_of_both_parts_ranks_a_member() {
        let rank = |name, picture| {
            member(Some(&record(":palm_tree:", &[(Part::Name, name), (Part::Picture, picture)]))).rank()
        };
        let ranks = [
            rank(How::Applied, How::Failed(1)),
            rank(How::Refused(Tokens::new()), How::Skipped(Tokens::new())),
            rank(How::Skipped(Tokens::new()), How::Applied),
            rank(How::Applied, How::Applied),
        ];

        assert_eq!(ranks, [0, 1, 2, 3]);
    }
}
