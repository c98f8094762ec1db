//! The rate limits as Slack keeps them (<https://docs.slack.dev/apis/web-api/rate-limits>): over any minute.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{clock::Instant, domain::UserId};

const MINUTE: Duration = Duration::from_secs(60);

/// The calls of the last minute.
#[derive(Debug, Default)]
pub struct Windows {
    calls: Vec<Counted>,
    writes: Vec<(Instant, String, UserId)>,
    /// Methods that were answered `ratelimited`, and until when nobody may call them.
    resting: BTreeMap<String, Instant>,
    /// Whether limits are off.
    pub are_off: bool,
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
    pub fn rest(&mut self, method: &str, until: Instant) {
        self.resting.insert(method.to_owned(), until);
    }

    /// Counts a call. `Err` has the seconds to wait when it is one too many.
    pub fn count(&mut self, method: &str, write: Option<(&str, &UserId)>, now: Instant) -> Result<(), u64> {
        if self.are_off {
            return Ok(());
        }
        if let Some(until) = self.resting.get(method).filter(|until| **until > now) {
            return Err(until.duration_since(now).as_secs() + 1);
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

fn wait(oldest: Option<Instant>, now: Instant) -> u64 {
    oldest.map_or(1, |at| (at + MINUTE).saturating_duration_since(now).as_secs() + 1)
}
