//! Any `users.json`: it is damaged, or a change of one member leaves all others as they were.
#![no_main]

use libfuzzer_sys::fuzz_target;
use statusinator::{
    domain::{Preset, Presets, UserId, Users},
    storage::users_file::{Edit, edit, parse},
};

fuzz_target!(|file: &[u8]| {
    let user: UserId = "U1".parse().unwrap();
    let preset = Preset { name: Some("Ann".into()), picture: None };
    let presets = Presets([("default".to_owned(), preset)].into());
    let replaced = edit(Some(file), &[Edit::Replace(Users::from([(user.clone(), presets.clone())]))], 17);
    let Ok(before) = parse(file) else { return };
    let bytes = replaced.unwrap().unwrap();
    let after = parse(&bytes).unwrap();
    assert_eq!(after.users.get(&user), Some(&presets));
    assert!(
        before.users.iter().filter(|(id, _)| **id != user).all(|(id, had)| after.users.get(id) == Some(had))
    );
    let removed = edit(Some(&bytes), &[Edit::Remove(user.clone())], 18).unwrap().unwrap();
    assert!(!parse(&removed).unwrap().users.contains_key(&user));
});
