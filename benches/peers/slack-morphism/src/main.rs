//! Answers Slack's events with slack-morphism and its layer for axum, on tokio's threads, one a core.

use std::collections::HashSet;
use std::env;
use std::error::Error;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router};
use slack_morphism::prelude::*;

type Onboarded = Arc<HashSet<SlackUserId>>;

async fn pushed(State(onboarded): State<Onboarded>, Extension(event): Extension<SlackPushEvent>) -> Response {
    match event {
        SlackPushEvent::UrlVerification(asked) => return asked.challenge.into_response(),
        SlackPushEvent::EventCallback(callback) => {
            if let SlackEventCallbackBody::UserChange(change) = callback.event {
                let emoji = change.user.profile.and_then(|profile| profile.status_emoji);
                if onboarded.contains(&change.user.id) {
                    unreachable!("nothing is kept for {} and {emoji:?}", change.user.id);
                }
            }
        }
        SlackPushEvent::AppRateLimited(_) => {}
    }
    ().into_response()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let port: u16 = env::var("PORT")?.parse()?;
    let secret = SlackSigningSecret::new(env::var("SLACK_SIGNING_SECRET")?);

    let client = Arc::new(SlackClient::new(SlackClientHyperConnector::new()?));
    let environment = Arc::new(SlackClientEventsListenerEnvironment::new(client));
    let listener: SlackEventsAxumListener<SlackHyperHttpsConnector> =
        SlackEventsAxumListener::new(environment);
    let verified = listener.events_layer(&secret).with_event_extractor(SlackEventsExtractors::push_event());

    let app =
        Router::new().route("/slack/events", post(pushed).layer(verified)).with_state(Onboarded::default());
    let socket = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(socket, app).await?;
    Ok(())
}
