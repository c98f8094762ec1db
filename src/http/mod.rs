//! The HTTP edge: the one list of routes, and what their handlers share.

pub mod callback;
pub mod error;
pub mod health;
pub mod oauth;
pub mod oauth_state;
pub mod pages;
pub mod signature;
pub mod slack_events;

use std::sync::{Arc, atomic::AtomicBool};

use actix::Recipient;
use actix_web::{
    Route,
    web::{self, ServiceConfig},
};
use secrecy::SecretString;
use slog::{Logger, o};
use url::Url;

use crate::{
    actors::{
        event_listener::{AppRateLimited, Missed, Receive, Revoke},
        gatekeeper::{Admit, Confirm},
        reconciler::Authorised,
        slack_client::ExchangeCode,
        storage_helper::PutToken,
    },
    clock::Clock,
    config::Config,
    directory::Directory,
    metrics::Recorder,
    service::Service,
};

pub use health::{Readiness, ReadinessReport};
use oauth_state::States;

/// What the handlers share; one for all workers.
pub struct HttpState {
    /// Takes changes of members.
    pub receive: Recipient<Receive>,
    /// Hears of members who are not in the cache.
    pub missed: Recipient<Missed>,
    /// Takes revoked tokens.
    pub revoke: Recipient<Revoke>,
    /// Hears that Slack left out events.
    pub rate_limited: Recipient<AppRateLimited>,
    /// Gathers snapshots.
    pub readiness: Recipient<Readiness>,
    /// Lets in an administrator by his token.
    pub admit: Recipient<Admit>,
    /// Lets in an administrator who signed in.
    pub confirm: Recipient<Confirm>,
    /// Makes a token of a code.
    pub exchange: Recipient<ExchangeCode>,
    /// Stores tokens.
    pub put_token: Recipient<PutToken>,
    /// Looks at who authorised.
    pub authorised: Recipient<Authorised>,
    /// Who is onboarded.
    pub directory: Directory,
    /// Takes samples.
    pub recorder: Recorder,
    /// Tells the time of day.
    pub clock: Clock,
    /// Set while the service stops.
    pub is_draining: Arc<AtomicBool>,
    /// Verifies what Slack sends.
    pub signing_secret: SecretString,
    /// The client with which members authorise.
    pub oauth: Option<OauthSettings>,
    /// Consents that were begun.
    pub states: States,
    /// Where it logs.
    pub log: Logger,
}

/// What consent needs of the settings.
#[derive(Debug, Clone)]
pub struct OauthSettings {
    /// The app's client id.
    pub client_id: String,
    /// Slack's consent page.
    pub authorize_url: Url,
    /// Where Slack sends the browser back to.
    pub redirect_uri: String,
    /// Where consent begins.
    pub install_link: String,
    /// Whether the public address is https, so that cookies may travel there only.
    pub is_https: bool,
}

impl OauthSettings {
    fn of(config: &Config) -> Option<Self> {
        let client = config.slack.client.as_ref()?;
        let mut authorize_url = config.slack.api_url.clone();
        authorize_url.set_path("/oauth/v2/authorize");
        Some(Self {
            client_id: client.id.clone(),
            authorize_url,
            redirect_uri: config.public("slack/oauth/callback"),
            install_link: config.install_link()?,
            is_https: config.public_url.as_ref().is_some_and(|url| url.scheme() == "https"),
        })
    }
}

impl HttpState {
    /// Hands what arrives to the service's actors.
    pub fn new(config: &Config, service: &Service, recorder: Recorder, clock: Clock, log: &Logger) -> Self {
        Self {
            receive: service.listener.clone().recipient(),
            missed: service.listener.clone().recipient(),
            revoke: service.listener.clone().recipient(),
            rate_limited: service.listener.clone().recipient(),
            readiness: service.overseer.clone().recipient(),
            admit: service.gatekeeper.clone().recipient(),
            confirm: service.gatekeeper.clone().recipient(),
            exchange: service.slack.clone().recipient(),
            put_token: service.storage.clone().recipient(),
            authorised: service.reconciler.clone().recipient(),
            directory: service.directory.clone(),
            recorder,
            clock,
            is_draining: service.is_draining.clone(),
            signing_secret: config.slack.signing_secret.clone(),
            oauth: OauthSettings::of(config),
            states: States::default(),
            log: log.new(o!("actor" => "http")),
        }
    }
}

/// All routes.
pub fn routes(app: &mut ServiceConfig) {
    let mut resource = |path: &str, route: Route| {
        app.service(web::resource(path).route(route).default_service(web::to(error::wrong_method)));
    };
    let all = [
        ("/slack/events", web::post().to(slack_events::receive)),
        ("/slack/install", web::get().to(oauth::install)),
        ("/slack/oauth/callback", web::get().to(oauth::callback)),
        ("/healthz", web::get().to(health::healthz)),
        ("/readyz", web::get().to(health::readyz)),
        ("/metrics", web::get().to(health::metrics)),
        ("/", web::get().to(pages::front)),
    ];
    all.into_iter().for_each(|(path, route)| resource(path, route));
    app.default_service(web::to(error::not_found));
}
