//! Delivers events as Slack does: signed, with three seconds for an answer, and again almost at once, after one minute
//! and after five (<https://docs.slack.dev/apis/events-api#retries>).

use std::time::Duration;

use awc::Client;
use serde_json::Value;

use crate::{clock::Clock, http::signature::sign};

use super::slack::SimulatedSlack;

/// How long Slack waits for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How often the outbox is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Where events go, and how patiently.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The request URL.
    pub url: String,
    /// The signing secret.
    pub secret: String,
    /// The waits before the second, third and fourth try.
    pub retry_after: [Duration; 3],
    /// Tells the time of day.
    pub clock: Clock,
}

impl Delivery {
    /// To this address, as patiently as Slack.
    pub fn to(url: impl Into<String>, secret: impl Into<String>) -> Self {
        let retry_after = [Duration::from_millis(50), Duration::from_secs(60), Duration::from_secs(300)];
        Self { url: url.into(), secret: secret.into(), retry_after, clock: Clock::System }
    }

    /// Delivers whatever comes into the outbox, each event by itself, until it is dropped.
    pub async fn run(self, slack: SimulatedSlack) {
        let client = Client::builder().timeout(ANSWER_WITHIN).finish();
        loop {
            for event in slack.take_events() {
                let (delivery, client) = (self.clone(), client.clone());
                actix::spawn(async move { delivery.deliver(&client, &event).await });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Delivers one event until it is taken, no further delivery is wanted, or the tries are used up. Answers the
    /// status of the last try; 0 when there was no answer.
    pub async fn deliver(&self, client: &Client, event: &Value) -> u16 {
        let mut answered = self.once(client, event, None).await;
        for (n, wait) in self.retry_after.into_iter().enumerate() {
            match &answered {
                Answered { status: 200..=299, .. } | Answered { no_retry: true, .. } => break,
                _ => {}
            }
            tokio::time::sleep(wait).await;
            let reason = if answered.status == 0 { "http_timeout" } else { "http_error" };
            answered = self.once(client, event, Some((n + 1, reason))).await;
        }
        answered.status
    }

    /// Delivers once.
    pub async fn once(&self, client: &Client, event: &Value, retry: Option<(usize, &str)>) -> Answered {
        let (body, at) = (event.to_string(), self.clock.unix());
        let mut request = client
            .post(&self.url)
            .content_type("application/json")
            .insert_header(("X-Slack-Request-Timestamp", at.to_string()))
            .insert_header(("X-Slack-Signature", sign(&self.secret, at, body.as_bytes())));
        if let Some((number, reason)) = retry {
            request = request
                .insert_header(("X-Slack-Retry-Num", number.to_string()))
                .insert_header(("X-Slack-Retry-Reason", reason));
        }
        let Ok(mut answer) = request.send_body(body).await else { return Answered::default() };
        let no_retry = answer.headers().get("x-slack-no-retry").is_some_and(|value| value == "1");
        let status = answer.status().as_u16();
        let body = answer.body().await.unwrap_or_default();
        Answered { status, no_retry, body }
    }
}

/// What the app answered.
#[derive(Debug, Clone, Default)]
pub struct Answered {
    /// The HTTP status; 0 for none.
    pub status: u16,
    /// Whether `X-Slack-No-Retry: 1` was set.
    pub no_retry: bool,
    /// The body.
    pub body: bytes::Bytes,
}
