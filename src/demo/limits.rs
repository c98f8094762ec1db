//! The rate limits as Slack keeps them (<https://docs.slack.dev/apis/web-api/rate-limits>): over any minute.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{clock::Instant, domain::UserId};

const MINUTE: Duration = Duration::from_secs(60);
/// Calls that were sent so shortly after `ratelimited` was said were on their way: their sender cannot have heard.
const ON_THE_WAY: Duration = Duration::from_millis(250);

/// The calls of the last minute.
#[derive(Debug, Default)]
pub struct Windows {
    calls: Vec<Counted>,
    writes: Vec<(Instant, String, UserId)>,
    /// Methods that were answered `ratelimited`: when, and until when nobody may call them.
    resting: BTreeMap<String, (Instant, Instant)>,
    /// Whether limits are off.
    pub are_off: bool,
}

/// A call that was one too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany {
    /// The seconds to wait.
    pub retry_after: u64,
    /// Whether the caller could have known.
    pub is_fault: bool,
}

#[derive(Debug)]
struct Counted {
    at: Instant,
    method: String,
}

/// Calls a minute, by Slack's tiers; `None` for a method that does not exist.
pub fn tier(method: &str) -> Option<usize> {
    Some(match method {
        "users.setPhoto" | "users.list" => 20,
        "users.profile.set" | "auth.revoke" => 50,
        "users.profile.get" | "users.info" | "admin.users.list" | "openid.connect.token" => 100,
        "auth.test" => 300,
        "oauth.v2.access" => 600,
        _ => return None,
    })
}

impl Windows {
    /// The method was answered `ratelimited`: for so long nobody may call it.
    pub fn rest(&mut self, method: &str, now: Instant, until: Instant) {
        self.resting.insert(method.to_owned(), (now, until));
    }

    /// Counts a call that was sent at `sent` and arrives now.
    ///
    /// # Errors
    /// [`TooMany`] when it is one too many.
    pub fn count(
        &mut self,
        method: &str,
        write: Option<(&str, &UserId)>,
        sent: Instant,
        now: Instant,
    ) -> Result<(), TooMany> {
        if self.are_off {
            return Ok(());
        }
        if let Some((since, until)) = self.resting.get(method).filter(|(_, until)| *until > now) {
            let retry_after = until.duration_since(now).as_secs() + 1;
            return Err(TooMany { retry_after, is_fault: sent > *since + ON_THE_WAY });
        }
        self.calls.retain(|call| call.at + MINUTE > now);
        self.writes.retain(|(at, ..)| *at + MINUTE > now);
        let of_method = || self.calls.iter().filter(|call| call.method == method);
        if of_method().count() >= tier(method).unwrap_or(usize::MAX) {
            return Err(wait(of_method().map(|call| call.at).min(), now));
        }
        if let Some((token, user)) = write {
            let by_token = || self.writes.iter().filter(|(_, by, _)| by == token);
            let members: BTreeSet<&UserId> = by_token().map(|(.., of)| of).collect();
            if !members.contains(user) && members.len() >= 30 {
                return Err(wait(by_token().map(|(at, ..)| *at).min(), now));
            }
            let of_member = || by_token().filter(|(.., of)| of == user);
            if of_member().count() >= 10 {
                return Err(wait(of_member().map(|(at, ..)| *at).min(), now));
            }
            self.writes.push((now, token.to_owned(), user.clone()));
        }
        self.calls.push(Counted { at: now, method: method.to_owned() });
        Ok(())
    }
}

fn wait(oldest: Option<Instant>, now: Instant) -> TooMany {
    let retry_after = oldest.map_or(1, |at| (at + MINUTE).saturating_duration_since(now).as_secs() + 1);
    TooMany { retry_after, is_fault: true }
}
