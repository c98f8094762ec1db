//! What is true of a simulated workspace: its members, their presets, what they did by hand, and so how every profile
//! must be in the end.

use std::{cell::RefCell, collections::BTreeMap};

use bytes::Bytes;
use rand::{RngExt as _, rngs::SmallRng, seq::IndexedRandom as _};
use serde_json::json;
use statusinator::{
    clock::Instant,
    demo::{SimulatedSlack, pictures, workspace::Grant},
    domain::{Emoji, Preset, Presets, UserId, Users},
    slack::Token,
    storage::Key,
};
use uuid::Uuid;

/// Statuses that members take: with presets, without, cleared, in a skin tone.
pub const EMOJI: [&str; 6] = ["", ":a:", ":b:", ":c:", ":a::skin-tone-4:", ":unknown:"];
/// The pictures that presets may want, by their colour.
pub const HUES: [u16; 3] = [0, 90, 180];
/// A picture that a member sets by hand; no preset has it.
pub const BY_HAND: u16 = 300;

/// A status, and what the presets want of each part for it.
type Wish = (Emoji, Preset);

/// What a member did by hand, and what became of his consent.
///
/// What he changed by hand stays until his status or preset changes. When they changed and came back, the service may
/// have seen that or not; so a change by hand may stay in the end if it was made under that wish or after it.
#[derive(Debug, Default, Clone)]
pub struct Story {
    name_by_hand: Option<(String, usize)>,
    photo_by_hand: Option<(Bytes, usize)>,
    /// All wishes there have been for him, each once for as long as it stood.
    wishes: Vec<Wish>,
    /// The token that he gave us last still lives.
    pub token: Option<Token>,
    /// When he last took his consent back: perhaps nobody heard.
    pub revoked: Option<Instant>,
}

/// Where a member's picture lies, and its link.
pub fn picture(user: &UserId, hue: u16) -> (Key, String) {
    let uuid = Uuid::new_v5(&Uuid::NAMESPACE_OID, &hue.to_be_bytes());
    (Key::picture(user, uuid), format!("file:///somewhere/{user}/{uuid}.png"))
}

thread_local! {
    /// Encoding a picture costs more than a whole life.
    static PICTURES: RefCell<BTreeMap<u16, Bytes>> = const { RefCell::new(BTreeMap::new()) };
}

/// A picture's bytes.
pub fn square(hue: u16) -> Bytes {
    PICTURES.with_borrow_mut(|known| known.entry(hue).or_insert_with(|| pictures::square(hue)).clone())
}

/// The workspace and its members.
pub struct Truth {
    pub slack: SimulatedSlack,
    pub members: Vec<UserId>,
    /// The configured admin token; its owner is the first member.
    pub admin: Option<Token>,
    presets: Users,
    stories: BTreeMap<UserId, Story>,
}

impl Truth {
    /// So many members, none of whom has a preset yet.
    pub fn new(slack: SimulatedSlack, members: usize, has_admin: bool) -> Self {
        let members: Vec<UserId> = (0..members).map(|n| format!("U{n}").parse().expect("an id")).collect();
        for member in &members {
            slack.lock().add(member, &format!("{member} by birth"));
        }
        let admin = has_admin.then(|| {
            let owner = &members[0];
            slack.lock().people.get_mut(owner).expect("a member").is_owner = true;
            Token::new(slack.user_token(owner))
        });
        let stories = members.iter().map(|member| (member.clone(), Story::default())).collect();
        Self { slack, members, admin, presets: Users::new(), stories }
    }

    /// Somebody.
    pub fn anybody(&self, rng: &mut SmallRng) -> UserId {
        self.members.choose(rng).expect("members").clone()
    }

    /// Gives a member other presets.
    pub fn choose_presets(&mut self, member: &UserId, rng: &mut SmallRng) {
        let mut presets = Presets::default();
        for key in ["default", ":a:", ":b:", ":c:"] {
            if rng.random_bool(0.3) {
                continue;
            }
            let (has_name, has_picture) = match rng.random_range(0..4) {
                0 => (true, false),
                1 => (false, true),
                _ => (true, true),
            };
            let name = has_name.then(|| format!("{member} {key} {}", rng.random_range(0..3)));
            let hue = *HUES.choose(rng).expect("three");
            let picture = has_picture.then(|| picture(member, hue).1);
            presets.0.insert(key.to_owned(), Preset { name, picture });
        }
        self.presets.insert(member.clone(), presets);
        self.note_wishes();
    }

    /// Gives a member a single preset, for this emoji.
    pub fn give_one_preset(&mut self, member: &UserId, emoji: &str, has_picture: bool) {
        let picture = has_picture.then(|| picture(member, HUES[0]).1);
        let preset = Preset { name: Some(format!("{member} with {emoji}")), picture };
        self.presets.insert(member.clone(), Presets([(emoji.to_owned(), preset)].into()));
        self.note_wishes();
    }

    /// Takes note that a member authorised the app by the browser's way.
    pub fn take_token(&mut self, member: &UserId) {
        let slack = self.slack.lock();
        let is_his = |grant: &Grant| grant.owner == *member && !grant.is_bot && grant.dead.is_none();
        let mut his = slack.grants.iter().filter(|(_, grant)| is_his(grant)).map(|(text, _)| text);
        let token = his.next_back().map(|text| Token::new(text.clone()));
        drop(slack);
        self.story(member).token = token;
    }

    /// `users.json`, as an administrator writes it.
    pub fn users_json(&self) -> String {
        json!({ "lastUpdatedAt": "1", "users": self.presets }).to_string()
    }

    /// A member takes another status.
    pub fn set_status(&mut self, member: &UserId, emoji: &str, ends: u64) {
        self.slack.set_status(member, emoji, "", ends);
        self.note_wishes();
    }

    /// Statuses whose time is over end.
    pub fn expire(&mut self) {
        self.slack.expire();
        self.note_wishes();
    }

    /// A member changes his name by hand.
    pub fn rename_by_hand(&mut self, member: &UserId, name: &str) {
        self.slack.set_name_by_hand(member, name);
        let story = self.story(member);
        story.name_by_hand = Some((name.to_owned(), story.wishes.len()));
    }

    /// A member changes his picture by hand.
    pub fn change_photo_by_hand(&mut self, member: &UserId) {
        self.slack.set_photo_by_hand(member, square(BY_HAND));
        let story = self.story(member);
        story.photo_by_hand = Some((square(BY_HAND), story.wishes.len()));
    }

    /// What a member did.
    pub fn story(&mut self, member: &UserId) -> &mut Story {
        self.stories.entry(member.clone()).or_default()
    }

    fn wish(&self, member: &UserId) -> Wish {
        let emoji = Emoji::new(&self.slack.person(member).expect("a member").status_emoji);
        let presets = self.presets.get(member);
        (emoji.clone(), presets.and_then(|presets| presets.for_emoji(&emoji)).cloned().unwrap_or_default())
    }

    /// Takes note of everybody's wish, as it is after whatever happened.
    fn note_wishes(&mut self) {
        for member in self.members.clone() {
            let wish = self.wish(&member);
            let wishes = &mut self.story(&member).wishes;
            if wishes.last() != Some(&wish) {
                wishes.push(wish);
            }
        }
    }

    /// What is not as its preset says.
    pub fn wrong(&self) -> Vec<String> {
        self.members.iter().flat_map(|member| self.wrong_of(member)).collect()
    }

    fn wrong_of(&self, member: &UserId) -> Vec<String> {
        let (person, story) = (self.slack.person(member).expect("a member"), &self.stories[member]);
        let (emoji, preset) = self.wish(member);
        let by_admin = self.admin_works() && story.revoked.is_none();
        let may_own = story.token.is_some() || (by_admin && *member == self.members[0]);
        let by_admin = by_admin && self.slack.lock().paid_plan;
        let mut wrong = Vec::new();
        if let Some(name) = preset.name.as_ref().filter(|_| may_own || by_admin) {
            let shown = &person.display_name;
            let by_hand = story
                .may_stay(&story.name_by_hand, shown, |(of, past)| *of == emoji && past.name == preset.name);
            if shown != name && !by_hand {
                wrong.push(format!("{member} with {emoji} is called {shown:?}, not {name:?}"));
            }
        }
        if let Some(link) = preset.picture.as_ref().filter(|_| may_own) {
            let hue = HUES.into_iter().find(|hue| picture(member, *hue).1 == *link);
            let by_hand = person.photo.as_ref().is_some_and(|shown| {
                story.may_stay(&story.photo_by_hand, shown, |(of, past)| {
                    *of == emoji && past.picture == preset.picture
                })
            });
            if person.photo != hue.map(square) && !by_hand {
                wrong.push(format!("{member} with {emoji} shows another picture than {link}"));
            }
        }
        wrong
    }

    /// Whether the configured admin token lives.
    fn admin_works(&self) -> bool {
        let slack = self.slack.lock();
        let grant = self.admin.as_ref().and_then(|admin| slack.grants.get(admin.expose()));
        grant.is_some_and(|grant| grant.dead.is_none())
    }

    /// How many writes of profiles Slack has seen.
    pub fn writes(&self) -> usize {
        ["users.profile.set", "users.setPhoto"].iter().map(|method| self.slack.count(method)).sum()
    }
}

impl Story {
    /// Whether what is shown was set by hand, and under a wish like this one or after it.
    fn may_stay<T: PartialEq>(
        &self,
        by_hand: &Option<(T, usize)>,
        shown: &T,
        is_like: impl Fn(&Wish) -> bool,
    ) -> bool {
        by_hand
            .as_ref()
            .is_some_and(|(set, before)| set == shown && self.wishes[..*before].iter().any(is_like))
    }
}
