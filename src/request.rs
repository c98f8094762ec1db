//! A request's life: read the newest status, find the preset, make the profile what the preset says.
//!
//! An event is only a hint. Whatever made the request, it reads the member's status, and reads it again
//! before each further try: so it never sets what is out of date, and learns whether a call whose answer was
//! lost was done all the same. When all that is left must wait longer than [`PATIENCE`], it gives up its worker.

mod parts;
mod tokens;

pub use tokens::Keyring;

use std::{cell::Cell, cell::RefCell, rc::Rc, time::Duration};

use actix::{Addr, Message, Recipient};
use futures_util::join;
use slog::{Logger, debug, o};
use tokio::sync::Notify;

use crate::{
    actors::{
        chronicler::Happened,
        reconciler::{NoPaidPlan, Recall, Reconciler, Remember},
        slack_client::{Caller, GetProfile, SlackClient},
        storage_helper::StorageHelper,
    },
    applied::{self, Change, Record, Wanted},
    chance,
    clock::Instant,
    config::NameField,
    directory::Directory,
    domain::{Cause, Emoji, Part, Preset, RequestId, UserId},
    metrics::{Count, Recorder},
    slack::{Profile, SlackError},
    storage::StorageError,
};

use parts::Outcome;

/// A request that must wait longer gives up its worker.
pub const PATIENCE: Duration = Duration::from_secs(1);
/// How often a part is tried in one request.
pub const TRIES: u32 = 5;
/// How long Slack may say `ratelimited` to one request before its parts count as failed.
pub const LIMITED_AT_MOST: Duration = Duration::from_secs(15 * 60);
/// The wait after the first failed try; it doubles with each, give or take a quarter.
const FIRST_BACKOFF: Duration = Duration::from_millis(400);

/// One member to be looked at.
#[derive(Debug, Clone)]
pub struct Request {
    /// Names it in every log line.
    pub id: RequestId,
    /// Who.
    pub user: UserId,
    /// The status that an event or a pass showed; only until the request has read it itself.
    pub hint: Option<Emoji>,
    /// What made it.
    pub cause: Cause,
    /// When it was made.
    pub received: Instant,
    /// How far it got, if it was put off.
    pub progress: Progress,
}

impl Request {
    /// A request that has not begun.
    pub fn new(id: RequestId, user: UserId, hint: Option<Emoji>, cause: Cause) -> Self {
        Self { id, user, hint, cause, received: Instant::now(), progress: Progress::default() }
    }

    fn caller(&self) -> Caller {
        Caller { request: self.id, cause: self.cause }
    }
}

/// How far a request got. It belongs to one status; another one begins anew.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    emoji: Option<Emoji>,
    name: PartProgress,
    picture: PartProgress,
    limited_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy, Default)]
struct PartProgress {
    tries: u32,
    ended: bool,
}

impl Progress {
    fn part(&mut self, part: Part) -> &mut PartProgress {
        match part {
            Part::Name => &mut self.name,
            Part::Picture => &mut self.picture,
        }
    }

    fn begin(&mut self, emoji: &Emoji) {
        if self.emoji.as_ref() != Some(emoji) {
            let limited_since = self.limited_since;
            *self = Self { emoji: Some(emoji.clone()), limited_since, ..Self::default() };
        }
    }
}

/// Announces how the reading of a member's status goes: decides what the newest known emoji is.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct Reading {
    /// Which request reads.
    pub request: RequestId,
    /// Whose status.
    pub user: UserId,
    /// When the call began.
    pub began: Instant,
    /// What it answered; `None` while it is under way.
    pub emoji: Option<Emoji>,
}

/// What becomes of a request that gave back its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Every part has ended.
    Ended,
    /// It goes on then.
    PutOff(Instant),
}

/// Whom a request deals with.
#[derive(Clone)]
pub struct World {
    /// Calls Slack.
    pub slack: Addr<SlackClient>,
    /// Reads pictures and tokens.
    pub storage: Addr<StorageHelper>,
    /// Remembers what was seen and applied.
    pub reconciler: Addr<Reconciler>,
    /// Hears of the reading.
    pub on_reading: Recipient<Reading>,
    /// Hears how parts ended.
    pub on_ended: Recipient<Happened>,
    /// Has the presets.
    pub directory: Directory,
    /// Which of a member's names is set.
    pub name_field: NameField,
    /// Where a member authorises the app; `None` without a client.
    pub install_link: Option<String>,
    /// Counts how parts went.
    pub recorder: Recorder,
    /// Where it logs.
    pub log: Logger,
}

/// Tells a request that is being worked on to make no further call.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Rc<Cell<bool>>);

impl Cancel {
    /// From now on the request makes no call; one under way is awaited.
    pub fn cancel(&self) {
        self.0.set(true);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.get()
    }
}

/// Works on a request until all its parts have ended or it must be put off.
pub async fn run(request: Request, world: World, cancel: Cancel) -> (Request, Next) {
    let log = world.log.new(o!("request" => request.id.to_string(), "user" => request.user.to_string()));
    let progress = RefCell::new(request.progress.clone());
    let mut life = Life { request, world, cancel, log, progress, active: Cell::new(0), rest: Notify::new() };
    let next = life.live().await;
    life.request.progress = life.progress.into_inner();
    (life.request, next)
}

struct Life {
    request: Request,
    world: World,
    cancel: Cancel,
    log: Logger,
    progress: RefCell<Progress>,
    /// Parts that are neither at their end nor resting.
    active: Cell<u32>,
    /// Tells a resting part that the other one is no longer active.
    rest: Notify,
}

/// How a part's work went on.
enum PartNext {
    Ended,
    Again(Instant),
    /// The member has another status by now.
    Changed,
}

impl Life {
    async fn live(&mut self) -> Next {
        loop {
            match self.look().await {
                Some(until) if until > Instant::now() + PATIENCE => return Next::PutOff(until),
                Some(until) => tokio::time::sleep_until(until).await,
                None => return Next::Ended,
            }
        }
    }

    /// Reads the status and works on both parts; answers when to look again, if so.
    async fn look(&self) -> Option<Instant> {
        let (profile, emoji) = match self.read().await {
            Ok(Some(read)) => read,
            Ok(None) => return None,
            Err(error) => return self.could_not_read(error).await,
        };
        self.progress.borrow_mut().begin(&emoji);
        let preset = self.preset(&emoji);
        for part in applied::unwanted(preset.as_ref()) {
            self.remember(Change::Unwanted(part));
        }
        let preset = preset?;
        self.active.set(2);
        let name = self.part(Part::Name, profile.clone(), &emoji, &preset);
        let picture = self.part(Part::Picture, profile, &emoji, &preset);
        match join!(name, picture) {
            (PartNext::Changed, _) | (_, PartNext::Changed) => Some(Instant::now()),
            (PartNext::Again(one), PartNext::Again(other)) => Some(one.min(other)),
            (PartNext::Again(until), _) | (_, PartNext::Again(until)) => Some(until),
            (PartNext::Ended, PartNext::Ended) => None,
        }
    }

    fn preset(&self, emoji: &Emoji) -> Option<Preset> {
        let preset = self.world.directory.presets(&self.request.user)?.for_emoji(emoji).cloned();
        if preset.is_none() {
            debug!(self.log, "no preset for this status"; "emoji" => %emoji);
        }
        preset
    }

    /// Reads the profile; `None` when it does not tell the status, or nothing shall be called any more.
    async fn read(&self) -> Result<Option<(Profile, Emoji)>, SlackError> {
        if self.is_over() {
            return Ok(None);
        }
        let began = Instant::now();
        self.announce(began, None);
        let get = GetProfile { user: self.request.user.clone(), caller: self.request.caller() };
        let profile = self.world.slack.send(get).await.unwrap_or_else(|_| Err(interrupted()))?;
        let Some(emoji) = profile.status_emoji.clone() else { return Ok(None) };
        self.announce(began, Some(emoji.clone()));
        self.remember(Change::Saw { emoji: emoji.clone(), expiration: profile.status_expiration, began });
        Ok(Some((profile, emoji)))
    }

    /// Whether nothing shall be called any more: the request was cancelled, or its member is not onboarded.
    fn is_over(&self) -> bool {
        self.cancel.is_cancelled() || !self.world.directory.has(self.request.user.as_str())
    }

    fn announce(&self, began: Instant, emoji: Option<Emoji>) {
        let (request, user) = (self.request.id, self.request.user.clone());
        self.world.on_reading.do_send(Reading { request, user, began, emoji });
    }

    /// The parts end as the reading did: by the same rows, tries and clock.
    async fn could_not_read(&self, error: SlackError) -> Option<Instant> {
        let emoji = match &self.request.hint {
            Some(hint) => hint.clone(),
            None => self.recall().await.emoji.unwrap_or_else(|| Emoji::new("")),
        };
        self.progress.borrow_mut().begin(&emoji);
        let preset =
            self.world.directory.presets(&self.request.user)?.for_emoji(&emoji).cloned().unwrap_or_default();
        if let (SlackError::Refused(_), Some(hint)) = (&error, &self.request.hint) {
            // So that the refusal stands for the status that a pass sees.
            self.remember(Change::Saw { emoji: hint.clone(), expiration: 0, began: Instant::now() });
        }
        let mut again = None;
        for part in [Part::Name, Part::Picture] {
            let wanted = Wanted::of(&preset, part).unwrap_or_else(|| Wanted::new(""));
            if let Some(until) = self.settle(part, &wanted, Outcome::of_error(&error), None).await {
                again = Some(again.map_or(until, |at: Instant| at.min(until)));
            }
        }
        again
    }

    /// Works on one part until it ends or both parts do nothing but wait.
    async fn part(&self, part: Part, mut profile: Profile, emoji: &Emoji, preset: &Preset) -> PartNext {
        let mut stale = false;
        let next = loop {
            let again = if !stale {
                self.try_part(part, &profile, preset).await
            } else {
                match self.read().await {
                    Ok(Some((_, now))) if now != *emoji => break PartNext::Changed,
                    Ok(Some((read, _))) => {
                        (profile, stale) = (read, false);
                        continue;
                    }
                    Ok(None) => None,
                    Err(error) => self.settle_of(part, preset, Outcome::of_error(&error)).await,
                }
            };
            let Some(until) = again else { break PartNext::Ended };
            if until > Instant::now() + PATIENCE && !self.rest_until(until).await {
                return PartNext::Again(until);
            }
            tokio::time::sleep_until(until).await;
            stale = true;
        };
        self.no_longer_active();
        next
    }

    /// Rests while the other part is active; false once neither is.
    async fn rest_until(&self, until: Instant) -> bool {
        self.no_longer_active();
        if self.active.get() == 0 {
            return false;
        }
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(until) => {
                self.active.set(self.active.get() + 1);
                true
            }
            () = self.rest.notified() => false,
        }
    }

    fn no_longer_active(&self) {
        self.active.set(self.active.get().saturating_sub(1));
        if self.active.get() == 0 {
            self.rest.notify_waiters();
        }
    }

    async fn try_part(&self, part: Part, profile: &Profile, preset: &Preset) -> Option<Instant> {
        if self.progress.borrow_mut().part(part).ended || self.is_over() {
            return None;
        }
        let wanted = Wanted::of(preset, part)?;
        let record = self.recall().await;
        let keyring = match self.keyring(&record).await {
            Ok(keyring) => keyring,
            Err(error) => {
                let stumbled = Outcome::Stumbled(error.to_string());
                return self.settle(part, &wanted, stumbled, None).await;
            }
        };
        let outcome = self.outcome(part, profile, preset, &record, &keyring).await;
        // Not those that there are by now: who has authorised meanwhile must be tried once more.
        self.settle(part, &wanted, outcome, Some(keyring.all(part))).await
    }

    async fn settle_of(&self, part: Part, preset: &Preset, outcome: Outcome) -> Option<Instant> {
        let wanted = Wanted::of(preset, part)?;
        self.settle(part, &wanted, outcome, None).await
    }

    fn backoff(tries: u32) -> Duration {
        let doubled = FIRST_BACKOFF * 2_u32.saturating_pow(tries.saturating_sub(1));
        doubled.mul_f64(chance::jitter())
    }

    async fn recall(&self) -> Record {
        let recall = Recall { user: self.request.user.clone() };
        self.world.reconciler.send(recall).await.unwrap_or_default()
    }

    async fn keyring(&self, record: &Record) -> Result<Keyring, StorageError> {
        Keyring::gather(&self.request.user, record.withdrew, &self.world.storage, &self.world.slack).await
    }

    fn remember(&self, change: Change) {
        self.world.reconciler.do_send(Remember { user: self.request.user.clone(), change });
    }

    fn count(&self, count: Count) {
        self.world.recorder.count(count);
    }

    fn no_paid_plan(&self) {
        self.world.reconciler.do_send(NoPaidPlan);
    }
}

fn interrupted() -> SlackError {
    SlackError::Unavailable("the call was interrupted by a restart".into())
}
