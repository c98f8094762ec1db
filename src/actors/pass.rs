//! A pass: reads everybody's status and finds who needs a request.
//!
//! Statuses come from `users.list` (200 members a page) or from one `users.profile.get` a member, whichever is
//! sooner done when a pass may take half of each limit. A failed page is read again: the pass goes on where it was.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use actix::Addr;
use slog::{Logger, debug, info, warn};

use crate::{
    applied::{How, Record, Wanted},
    clock::Instant,
    directory::Directory,
    domain::{Cause, Emoji, Part, Preset, RequestId, UserId, Users},
    logging::escape,
    request::{Keyring, Request},
    slack::{MemberPage, SlackError},
};

use super::{
    event_listener::{EventListener, reading::Rehydrate},
    reconciler::{Compare, Compared, PassRequests, Reconciler},
    slack_client::{Caller, GetProfile, ListMembers, SlackClient, Withdraw},
    storage_helper::StorageHelper,
};

/// Half of what `users.profile.get` (tier 4) and `users.list` (tier 2) allow in a minute
/// (<https://docs.slack.dev/apis/web-api/rate-limits>).
const PROFILES_A_MINUTE: usize = 50;
const PAGES_A_MINUTE: usize = 10;
/// The wait before a page that failed is read again; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A member's status, as a pass read it.
#[derive(Debug, Clone)]
pub struct Status {
    /// Whose.
    pub user: UserId,
    /// The emoji.
    pub emoji: Emoji,
    /// When it ends (unix seconds); 0 for never.
    pub expiration: u64,
    /// When the call began that read it.
    pub began: Instant,
}

/// What a pass has to do for a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// All parts ended for this status and preset.
    Nothing,
    /// A part is open.
    Request,
    /// Parts were skipped or refused: open only if the tokens are others than then.
    IfTokensDiffer,
}

/// What a pass has to do for a member with this record, status and preset.
pub fn need(record: &Record, emoji: &Emoji, preset: Option<&Preset>) -> Need {
    let Some(preset) = preset else { return Need::Nothing };
    let same_status = record.emoji.as_ref() == Some(emoji);
    let mut need = Need::Nothing;
    for part in [Part::Name, Part::Picture] {
        let Some(wanted) = Wanted::of(preset, part) else { continue };
        match record.part(part).filter(|ended| same_status && ended.wanted == wanted).map(|ended| &ended.how)
        {
            None | Some(How::Failed(_)) => return Need::Request,
            Some(How::Applied) => {}
            Some(How::Skipped(_) | How::Refused(_)) => need = Need::IfTokensDiffer,
        }
    }
    need
}

/// One pass, and whom it deals with.
pub struct Survey {
    /// Names the pass's calls.
    pub request: RequestId,
    /// Reads statuses.
    pub slack: Addr<SlackClient>,
    /// Knows the tokens.
    pub storage: Addr<StorageHelper>,
    /// Reads `users.json` first.
    pub listener: Addr<EventListener>,
    /// Compares and takes the requests.
    pub reconciler: Addr<Reconciler>,
    /// Knows who is onboarded.
    pub directory: Directory,
    /// How many pages `users.list` had the last time.
    pub known_pages: Option<usize>,
    /// Where it logs.
    pub log: Logger,
}

/// The pass cannot go on: nothing may be called.
struct Stopped;

impl Survey {
    /// Looks at everybody. Answers whether it got to its end, and how many pages there were, if it read them.
    pub async fn run(self) -> (bool, Option<usize>) {
        // Whatever came of it, the pass goes on with the presets that are known.
        let _ = self.listener.send(Rehydrate::default()).await;
        let Some(users) = self.directory.load().users.clone() else { return (false, None) };
        info!(self.log, "pass begins"; "members" => users.len());
        let (is_complete, pages) = if self.pages_are_sooner(users.len()) {
            match self.by_pages(&users).await {
                Ok(pages) => (true, Some(pages)),
                Err(Stopped) => (false, None),
            }
        } else {
            (self.one_by_one(&users).await.is_ok(), None)
        };
        self.slack.do_send(Withdraw { request: self.request });
        (is_complete, pages)
    }

    /// Members whose number is within a minute's calls are read one by one unless fewer pages are known to do.
    fn pages_are_sooner(&self, members: usize) -> bool {
        match self.known_pages {
            None => members > PROFILES_A_MINUTE,
            Some(pages) => {
                let by_pages = (pages / PAGES_A_MINUTE, pages);
                by_pages < (members / PROFILES_A_MINUTE, members)
            }
        }
    }

    fn caller(&self) -> Caller {
        Caller { request: self.request, cause: Cause::Pass }
    }

    async fn by_pages(&self, users: &Arc<Users>) -> Result<usize, Stopped> {
        let mut cursor = None;
        let mut pages = 0;
        let mut left: BTreeSet<&UserId> = users.keys().collect();
        loop {
            let began = Instant::now();
            let page: MemberPage = match self.page(&mut cursor).await? {
                Some(page) => page,
                None => {
                    // The cursor is no longer good: from the beginning.
                    (cursor, pages) = (None, 0);
                    left = users.keys().collect();
                    continue;
                }
            };
            pages += 1;
            let members = page.members.into_iter().filter(|member| left.remove(&member.id));
            let seen = members.filter(|member| !member.deleted).filter_map(|member| {
                let emoji = member.profile.status_emoji?;
                Some(Status { user: member.id, emoji, expiration: member.profile.status_expiration, began })
            });
            self.take_in(seen.collect()).await;
            cursor = page.next;
            if cursor.is_none() || left.is_empty() {
                return Ok(pages.max(self.known_pages.filter(|_| cursor.is_some()).unwrap_or(pages)));
            }
        }
    }

    /// Reads a page; `None` when Slack no longer knows the cursor.
    async fn page(&self, cursor: &mut Option<String>) -> Result<Option<MemberPage>, Stopped> {
        let mut wait = FIRST_WAIT;
        loop {
            let list = ListMembers { cursor: cursor.clone(), caller: self.caller() };
            match self.slack.send(list).await.unwrap_or_else(|_| Err(interrupted())) {
                Ok(page) => return Ok(Some(page)),
                Err(SlackError::Refused(code)) if cursor.is_some() && code == "invalid_cursor" => {
                    return Ok(None);
                }
                Err(error) => self.pause(&error, &mut wait).await?,
            }
        }
    }

    async fn one_by_one(&self, users: &Arc<Users>) -> Result<(), Stopped> {
        // Who is forgotten meanwhile is not asked for any more.
        for user in users.keys().filter(|user| self.directory.has(user.as_str())) {
            let mut wait = FIRST_WAIT;
            loop {
                let began = Instant::now();
                let get = GetProfile { user: user.clone(), caller: self.caller() };
                match self.slack.send(get).await.unwrap_or_else(|_| Err(interrupted())) {
                    Ok(profile) => {
                        let expiration = profile.status_expiration;
                        let status = profile.status_emoji.map(|emoji| Status {
                            user: user.clone(),
                            emoji,
                            expiration,
                            began,
                        });
                        self.take_in(status.into_iter().collect()).await;
                        break;
                    }
                    Err(SlackError::Refused(code)) => {
                        debug!(self.log, "a member's status cannot be read"; "user" => user.as_str(), "error" => escape(&code));
                        break;
                    }
                    Err(error) => self.pause(&error, &mut wait).await?,
                }
            }
        }
        Ok(())
    }

    async fn pause(&self, error: &SlackError, wait: &mut Duration) -> Result<(), Stopped> {
        match error {
            SlackError::MustWait { until, .. } => tokio::time::sleep_until(*until).await,
            SlackError::Unavailable(why) => {
                debug!(self.log, "statuses cannot be read, tried again"; "error" => escape(why), "wait_s" => wait.as_secs());
                tokio::time::sleep(*wait).await;
                *wait = (*wait * 2).min(LONGEST_WAIT);
            }
            SlackError::Suspended | SlackError::DeadToken(_) => return Err(Stopped),
            SlackError::Refused(code) => {
                warn!(self.log, "slack does not let a pass read statuses"; "error" => escape(code),
                    "todo" => "see that SLACK_BOT_TOKEN has users:read and users.profile:read");
                return Err(Stopped);
            }
        }
        Ok(())
    }

    /// Makes requests of those who need one.
    async fn take_in(&self, seen: Vec<Status>) {
        let Ok(Compared { open, ended_without }) = self.reconciler.send(Compare { seen }).await else {
            return;
        };
        let mut requests: Vec<Status> = open;
        let mut unchanged = Vec::new();
        for (status, record) in ended_without {
            if self.tokens_differ(&status, &record).await {
                requests.push(status)
            } else {
                unchanged.push(status)
            }
        }
        let requests = requests
            .into_iter()
            .map(|status| Request::new(RequestId::random(), status.user, Some(status.emoji), Cause::Pass))
            .collect();
        self.reconciler.do_send(PassRequests { requests, unchanged });
    }

    async fn tokens_differ(&self, status: &Status, record: &Record) -> bool {
        let Ok(keyring) = Keyring::gather(&status.user, record.withdrew, &self.storage, &self.slack).await
        else {
            return false;
        };
        let presets = self.directory.presets(&status.user);
        let preset = presets.as_ref().and_then(|presets| presets.for_emoji(&status.emoji));
        record.needs_request(&status.emoji, preset, |part| keyring.all(part))
    }
}

fn interrupted() -> SlackError {
    SlackError::Unavailable("the call was interrupted by a restart".into())
}
