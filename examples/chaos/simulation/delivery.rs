//! How Slack sends events: once it has them, again when they were not taken; or lost, doubled, late and out of order.

use std::{sync::atomic::Ordering, time::Duration};

use rand::RngExt as _;
use serde_json::Value;
use statusinator::{
    actors::event_listener::{Answer, Receive, Revoke, Revoked},
    clock::Instant,
    domain::{Emoji, RequestId},
    service::Service,
};

use super::{mortal::Living, world::World};

/// The waits before Slack's second, third and fourth try.
const WAITS: [Duration; 3] = [Duration::from_millis(50), Duration::from_secs(60), Duration::from_secs(300)];

impl World {
    /// Sends what Slack has to tell. In a life without regular passes nothing is lost on the way: nobody would notice.
    pub fn deliver(&mut self) {
        for event in self.truth.slack.take_events() {
            if self.interval.is_some() && self.rng.random_bool(0.1) {
                self.count("event lost");
                continue;
            }
            let doubled = self.rng.random_bool(0.1);
            if doubled {
                self.count("event doubled");
            }
            for _ in 0..=usize::from(doubled) {
                let late = if self.rng.random_bool(0.2) { self.rng.random_range(1..5_000) } else { 0 };
                if late > 0 {
                    self.count("event late");
                }
                let (living, event, counts) = (self.living.clone(), event.clone(), self.counts.clone());
                self.outside.spawn_local(async move {
                    tokio::time::sleep(Duration::from_millis(late)).await;
                    let again = deliver(&living, &event).await;
                    *counts.borrow_mut().entry("event redelivered").or_default() += again;
                });
            }
        }
    }
}

/// Delivers an event until it is answered 200, no more deliveries are wanted, or Slack's tries are used up. Answers how
/// often it was delivered again.
async fn deliver(living: &Living, event: &Value) -> u64 {
    let mut again = 0;
    for wait in std::iter::once(None).chain(WAITS.map(Some)) {
        if let Some(wait) = wait {
            tokio::time::sleep(wait).await;
            again += 1;
        }
        let service = living.borrow().clone();
        let Some(service) = service else { continue };
        match post(&service, event, again > 0).await {
            Some(Answer::Busy) | None => {}
            Some(_) => break,
        }
    }
    again
}

/// What the HTTP edge does with a verified event; `None` when it gets no answer.
async fn post(service: &Service, event: &Value, is_retry: bool) -> Option<Answer> {
    if service.is_draining.load(Ordering::Relaxed) {
        return None;
    }
    let inner = &event["event"];
    let request = RequestId::random();
    if inner["type"] == "tokens_revoked" {
        let named = inner["tokens"]["oauth"].as_array().into_iter().flatten();
        let users = named.filter_map(|id| id.as_str()?.parse().ok()).collect();
        let at =
            std::time::UNIX_EPOCH + Duration::from_secs(event["event_time"].as_u64().unwrap_or_default());
        let revoke = Revoke { request, whose: Revoked::Members(users), event_time: at };
        return service.listener.send(revoke).await.ok().map(|()| Answer::Queued);
    }
    let profile = &inner["user"]["profile"];
    let receive = Receive {
        request,
        event_id: event["event_id"].as_str().map(str::to_owned),
        user: inner["user"]["id"].as_str()?.parse().ok()?,
        emoji: profile["status_emoji"].as_str().map(Emoji::new),
        expiration: profile["status_expiration"].as_u64(),
        is_retry,
        received: Instant::now(),
    };
    service.listener.send(receive).await.ok()
}
