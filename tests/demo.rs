//! `demo --once`, as users start it.
#![allow(clippy::unwrap_used, missing_docs)]

use std::process::Command;

#[test]
fn it_prints_each_change_with_its_time_ends_well_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();

    let ended = Command::new(env!("CARGO_BIN_EXE_statusinator"))
        .args(["demo", "--once"])
        .current_dir(folder.path())
        .env("TMPDIR", folder.path())
        .output()
        .unwrap();

    let text = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success(), "{text}{}", String::from_utf8_lossy(&ended.stderr));
    for line in
        ["Ann Archer sets :palm_tree:", "Cleo Carter authorises", "Every profile is as its preset says"]
    {
        assert!(text.contains(line), "{text}");
    }
    assert!(text.lines().filter(|line| line.ends_with(" ms")).count() >= 10, "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
