//! What was seen of a member and applied to him, part by part.
//!
//! A part that ended stays so until the status or the preset changes: that is what leaves a change by hand
//! alone, keeps a refusal from being tried again, and lets a half-done pair be finished. All of it is a
//! cache: without it presets win once.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    clock::Instant,
    domain::{Emoji, Part, Preset},
    slack::{Fingerprint, Profile},
};

/// All that is remembered of one member.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// The status that the parts below belong to.
    pub emoji: Option<Emoji>,
    /// How the name ended for that status.
    pub name: Option<Ended>,
    /// How the picture ended for that status.
    pub picture: Option<Ended>,
    /// The picture that Slack has from us.
    pub photo: Option<Photo>,
    /// A picture that was sent and whose fate is unknown.
    pub sent: Option<Sent>,
    /// Whether he withdrew his consent: then the admin token is not used for him either.
    pub withdrew: bool,
    /// When his status ends (unix seconds); 0 for never.
    pub expiration: u64,
    /// When the call began that read the status; not kept over a restart.
    #[serde(skip)]
    pub read_began: Option<Instant>,
}

/// How a part ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// What the preset wanted.
    pub wanted: Wanted,
    /// What came of it.
    pub how: How,
}

/// What came of a part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// Slack has it.
    Applied,
    /// No token may do it; these are the tokens there were.
    Skipped(Tokens),
    /// Slack or the store said no for good, with these tokens.
    Refused(Tokens),
    /// It did not work out; so many requests in a row failed.
    Failed(u32),
}

/// The tokens that may do a part: as long as they are the same, *refused* and *skipped* are endings.
pub type Tokens = BTreeSet<Fingerprint>;

/// What a preset wants of a part, as a hash: names are nobody's business on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Wanted(String);

impl Wanted {
    /// The hash of a name or a link.
    pub fn new(text: &str) -> Self {
        let digest = Sha256::digest(text.as_bytes());
        Self(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }

    /// What a preset wants of a part; `None` if it leaves that part alone.
    pub fn of(preset: &Preset, part: Part) -> Option<Self> {
        match part {
            Part::Name => preset.name.as_deref(),
            Part::Picture => preset.picture.as_deref(),
        }
        .map(Self::new)
    }
}

/// The parts that a preset, or none, leaves alone.
pub fn unwanted(preset: Option<&Preset>) -> impl Iterator<Item = Part> {
    let is_wanted = move |part| preset.and_then(|preset| Wanted::of(preset, part)).is_some();
    [Part::Name, Part::Picture].into_iter().filter(move |part| !is_wanted(*part))
}

/// A picture that Slack took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Photo {
    /// What the preset wanted.
    pub wanted: Wanted,
    /// What Slack called it.
    pub avatar_hash: String,
}

/// A picture on its way: if the profile's hash is no longer `over`, it arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// What the preset wanted.
    pub wanted: Wanted,
    /// The hash of the picture that the profile had before.
    pub over: String,
}

/// One thing learnt of a member.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// His status was read by a call that began then; with another emoji, both parts are open again.
    Saw {
        /// The emoji read.
        emoji: Emoji,
        /// When it ends (unix seconds); 0 for never.
        expiration: u64,
        /// When the call began.
        began: Instant,
    },
    /// Only the end of his status is new (unix seconds; 0 for never).
    Expires(u64),
    /// A part ended.
    Ended(Part, Ended),
    /// No preset wants anything of a part any more: if one does again, that is a change.
    Unwanted(Part),
    /// A part is about to be set: how it ended before is true no more.
    Opened(Part),
    /// A picture is about to be sent.
    Sending(Sent),
    /// The picture that was about to be sent certainly did not arrive.
    NotSent,
    /// Slack took a picture, and calls it so where it tells.
    Took(Wanted, Option<String>),
    /// He withdrew his consent.
    Withdrew,
    /// He authorised: what was refused or skipped is open again.
    Authorised,
    /// An administrator named him: what was refused is open again.
    Named,
}

impl Record {
    /// Takes in what was learnt.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Saw { emoji, expiration, began } => self.saw(emoji, expiration, began),
            Change::Expires(expiration) => self.expiration = expiration,
            Change::Ended(part, ended) => *self.part_mut(part) = Some(ended),
            Change::Unwanted(part) => {
                *self.part_mut(part) = None;
                self.sent.take_if(|_| part == Part::Picture);
            }
            Change::Opened(part) => self.open(part),
            Change::Sending(sent) => {
                self.open(Part::Picture);
                self.sent = Some(sent);
            }
            Change::NotSent => self.sent = None,
            Change::Took(wanted, hash) => {
                self.sent = None;
                self.photo = hash.map(|avatar_hash| Photo { wanted, avatar_hash });
            }
            Change::Withdrew => self.withdrew = true,
            Change::Authorised => {
                self.withdrew = false;
                self.reopen();
            }
            Change::Named => self.reopen(),
        }
    }

    fn saw(&mut self, emoji: Emoji, expiration: u64, began: Instant) {
        if self.read_began.is_some_and(|before| before > began) {
            return;
        }
        self.read_began = Some(began);
        self.expiration = expiration;
        if self.emoji.as_ref() != Some(&emoji) {
            self.emoji = Some(emoji);
            self.name = None;
            self.picture = None;
            // From here on another hash may be a change by hand: better sent twice than taken for ours.
            self.sent = None;
        }
    }

    /// How often a part failed is kept: that never counts as an ending.
    fn open(&mut self, part: Part) {
        self.part_mut(part).take_if(|ended| !matches!(ended.how, How::Failed(_)));
    }

    fn reopen(&mut self) {
        for part in [Part::Name, Part::Picture] {
            let ended = self.part_mut(part);
            ended.take_if(|ended| matches!(ended.how, How::Skipped(_) | How::Refused(_)));
        }
    }

    /// How a part ended.
    pub fn part(&self, part: Part) -> Option<&Ended> {
        match part {
            Part::Name => self.name.as_ref(),
            Part::Picture => self.picture.as_ref(),
        }
    }

    fn part_mut(&mut self, part: Part) -> &mut Option<Ended> {
        match part {
            Part::Name => &mut self.name,
            Part::Picture => &mut self.picture,
        }
    }

    /// Whether a part came to an end that still stands, for this wish and these tokens.
    pub fn stands(&self, part: Part, wanted: &Wanted, tokens: &Tokens) -> bool {
        self.part(part).is_some_and(|ended| {
            ended.wanted == *wanted
                && match &ended.how {
                    How::Applied => true,
                    How::Skipped(with) | How::Refused(with) => with == tokens,
                    How::Failed(_) => false,
                }
        })
    }

    /// Whether the profile shows the wanted picture, because Slack took it from us, in an answer or unheard.
    pub fn has_picture(&self, wanted: &Wanted, profile: &Profile) -> bool {
        let Some(shown) = &profile.avatar_hash else { return false };
        let took =
            self.photo.as_ref().is_some_and(|photo| photo.wanted == *wanted && photo.avatar_hash == *shown);
        let arrived = self.sent.as_ref().is_some_and(|sent| sent.wanted == *wanted && sent.over != *shown);
        took || arrived
    }

    /// How many requests in a row failed a part for this wish.
    pub fn failures(&self, part: Part, wanted: &Wanted) -> u32 {
        match self.part(part) {
            Some(Ended { wanted: w, how: How::Failed(times) }) if w == wanted => *times,
            _ => 0,
        }
    }

    /// Whether a member with this status and preset has a part that did not end, or ended for something else.
    /// `tokens` are those that may do each part.
    pub fn needs_request(
        &self,
        emoji: &Emoji,
        preset: Option<&Preset>,
        tokens: impl Fn(Part) -> Tokens,
    ) -> bool {
        let Some(preset) = preset else { return false };
        let same_status = self.emoji.as_ref() == Some(emoji);
        [Part::Name, Part::Picture].into_iter().any(|part| {
            Wanted::of(preset, part)
                .is_some_and(|wanted| !(same_status && self.stands(part, &wanted, &tokens(part))))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn saw(emoji: &str, began: Instant) -> Change {
        Change::Saw { emoji: Emoji::new(emoji), expiration: 0, began }
    }

    fn ended(part: Part, text: &str, how: How) -> Change {
        Change::Ended(part, Ended { wanted: Wanted::new(text), how })
    }

    fn preset(name: &str) -> Preset {
        Preset { name: Some(name.into()), picture: None }
    }

    fn nobody(_: Part) -> Tokens {
        Tokens::new()
    }

    #[test]
    fn an_applied_part_stands_until_the_status_changes() {
        let mut record = Record::default();
        let now = Instant::now();
        record.apply(saw(":tada:", now));
        assert!(record.needs_request(&Emoji::new("tada"), Some(&preset("Ann")), nobody));

        record.apply(ended(Part::Name, "Ann", How::Applied));

        assert!(!record.needs_request(&Emoji::new("tada"), Some(&preset("Ann")), nobody));
        assert!(record.needs_request(&Emoji::new("tada"), Some(&preset("Bea")), nobody));
        assert!(record.needs_request(&Emoji::new("car"), Some(&preset("Ann")), nobody));
        record.apply(saw(":car:", now));
        record.apply(saw(":tada:", now));
        assert!(record.needs_request(&Emoji::new("tada"), Some(&preset("Ann")), nobody));
    }

    #[test]
    fn a_status_read_earlier_does_not_replace_a_newer_one() {
        let earlier = Instant::now();
        let later = earlier + std::time::Duration::from_secs(1);
        let mut record = Record::default();
        record.apply(saw(":tada:", later));

        record.apply(saw(":car:", earlier));

        assert_eq!(record.emoji, Some(Emoji::new("tada")));
    }

    #[test]
    fn refused_stands_for_the_same_tokens_only_and_is_opened_by_consent() {
        let tokens = Tokens::from([crate::slack::Token::new("a").fingerprint()]);
        let mut record = Record::default();
        record.apply(ended(Part::Name, "Ann", How::Refused(tokens.clone())));

        assert!(record.stands(Part::Name, &Wanted::new("Ann"), &tokens));
        assert!(!record.stands(Part::Name, &Wanted::new("Ann"), &Tokens::new()));
        record.apply(Change::Authorised);
        assert_eq!(record.name, None);
    }

    #[test]
    fn a_picture_whose_answer_was_lost_is_known_by_the_hash_that_changed() {
        let shown = |hash: &str| Profile { avatar_hash: Some(hash.into()), ..Profile::default() };
        let wanted = Wanted::new("link");
        let mut record = Record::default();
        record.apply(Change::Sending(Sent { wanted: wanted.clone(), over: "old".into() }));

        assert!(!record.has_picture(&wanted, &shown("old")));
        assert!(record.has_picture(&wanted, &shown("new")));
        assert!(!record.has_picture(&Wanted::new("another"), &shown("new")));
        record.apply(Change::Unwanted(Part::Name));
        assert!(record.has_picture(&wanted, &shown("new")));
        record.apply(Change::Unwanted(Part::Picture));
        assert!(!record.has_picture(&wanted, &shown("new")), "once no preset wants it, the guess ends");
        record.apply(Change::Took(wanted.clone(), Some("new".into())));
        assert!(record.has_picture(&wanted, &shown("new")));
        assert!(!record.has_picture(&wanted, &shown("by hand")));
    }

    #[test]
    fn after_another_status_a_changed_hash_is_no_longer_taken_for_ours() {
        let shown = |hash: &str| Profile { avatar_hash: Some(hash.into()), ..Profile::default() };
        let wanted = Wanted::new("link");
        let now = Instant::now();
        let mut record = Record::default();
        record.apply(saw(":tada:", now));
        record.apply(Change::Sending(Sent { wanted: wanted.clone(), over: "old".into() }));

        record.apply(saw(":tada:", now));
        assert!(record.has_picture(&wanted, &shown("new")), "the same status again changes nothing");
        record.apply(saw(":car:", now));
        record.apply(saw(":tada:", now));

        assert!(!record.has_picture(&wanted, &shown("by hand")));
    }

    #[test]
    fn a_part_that_is_about_to_be_set_does_not_stand_and_its_failures_count_on() {
        let mut record = Record::default();
        let tokens = Tokens::new();
        record.apply(ended(Part::Name, "Ann", How::Applied));
        record.apply(ended(Part::Picture, "link", How::Failed(2)));

        record.apply(Change::Opened(Part::Name));
        record.apply(Change::Sending(Sent { wanted: Wanted::new("link"), over: "old".into() }));

        assert!(!record.stands(Part::Name, &Wanted::new("Ann"), &tokens));
        assert_eq!(record.failures(Part::Picture, &Wanted::new("link")), 2);
    }

    #[test]
    fn a_record_survives_being_written_and_read() {
        let mut record = Record::default();
        record.apply(saw(":wave::skin-tone-2:", Instant::now()));
        record.apply(ended(Part::Picture, "link", How::Failed(3)));

        let text = serde_json::to_string(&record).expect("a record is plain data");
        let mut read: Record = serde_json::from_str(&text).expect("it was just written");

        read.read_began = record.read_began;
        assert_eq!(read, record);
        assert_eq!(read.failures(Part::Picture, &Wanted::new("link")), 3);
    }
}
