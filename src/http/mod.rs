//! The HTTP edge: the one list of routes, and what their handlers share.

pub mod assets;
pub mod body;
pub mod callback;
pub mod error;
pub mod health;
pub mod oauth;
pub mod oauth_state;
pub mod onboard;
pub mod operator;
pub mod pages;
pub mod session;
pub mod signature;
pub mod signin;
pub mod slack_events;

use std::sync::{Arc, atomic::AtomicBool};

use actix::Recipient;
use actix_web::{
    Route,
    http::Method,
    web::{self, ServiceConfig},
};
use secrecy::SecretString;
use slog::{Logger, o};
use url::Url;

use crate::{
    actors::{
        chronicler::Recount,
        event_listener::{AppRateLimited, Missed, Receive, Revoke},
        gatekeeper::{Admit, Confirm},
        reconciler::{Authorised, PassDue, members::TellMembers},
        registrar::{ForgetMember, Onboard},
        slack_client::{ExchangeCode, sign_in::ExchangeSignIn},
        storage_helper::{
            PutToken,
            edits::{MissingPictures, PutPicture, ShowUsers},
        },
    },
    clock::{Clock, Instant},
    config::{Config, QueueConfig},
    directory::Directory,
    metrics::Recorder,
    presets,
    service::Service,
};

pub use health::{Readiness, ReadinessReport};
use oauth_state::States;
use onboard::Darkroom;
use session::Entrance;

/// What the handlers share; one for all workers.
pub struct HttpState {
    /// Takes changes of members.
    pub receive: Recipient<Receive>,
    /// Hears of events that nobody answered for in time.
    pub pass_due: Recipient<PassDue>,
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
    /// Takes presets.
    pub onboard: Recipient<Onboard>,
    /// Takes whom to forget.
    pub forget: Recipient<ForgetMember>,
    /// Shows who is onboarded.
    pub show_users: Recipient<ShowUsers>,
    /// Tells which pictures are missing.
    pub missing_pictures: Recipient<MissingPictures>,
    /// Takes pictures.
    pub put_picture: Recipient<PutPicture>,
    /// Who may have a picture made now.
    pub darkroom: Darkroom,
    /// How long a preset's name may be, in characters.
    pub name_at_most: usize,
    /// Makes a token of a code.
    pub exchange: Recipient<ExchangeCode>,
    /// Stores tokens.
    pub put_token: Recipient<PutToken>,
    /// Looks at who authorised.
    pub authorised: Recipient<Authorised>,
    /// Learns who signed in.
    pub sign_in: Recipient<ExchangeSignIn>,
    /// Recounts what happened lately.
    pub recount: Recipient<Recount>,
    /// Tells how the members stand.
    pub members: Recipient<TellMembers>,
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
    /// The way to the operator's page.
    pub entrance: Entrance,
    /// How much may wait and be worked on.
    pub queue: QueueConfig,
    /// When the service started.
    pub started: Instant,
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
    /// Slack's sign-in page.
    pub sign_in_url: Url,
    /// Where Slack sends the browser back to from there.
    pub sign_in_redirect_uri: String,
    /// Who issues id tokens: the origin of Slack's pages.
    pub issuer: String,
    /// Whether the public address is https, so that cookies may travel there only.
    pub is_https: bool,
}

impl OauthSettings {
    fn of(config: &Config) -> Option<Self> {
        let client = config.slack.client.as_ref()?;
        let page = |path: &str| {
            let mut url = config.slack.api_url.clone();
            url.set_path(path);
            url
        };
        Some(Self {
            client_id: client.id.clone(),
            authorize_url: page("/oauth/v2/authorize"),
            redirect_uri: config.public("slack/oauth/callback"),
            install_link: config.install_link()?,
            sign_in_url: page("/openid/connect/authorize"),
            sign_in_redirect_uri: config.public("signin/callback"),
            issuer: config.slack.api_url.origin().ascii_serialization(),
            is_https: config.is_https(),
        })
    }
}

impl HttpState {
    /// Hands what arrives to the service's actors.
    pub fn new(config: &Config, service: &Service, recorder: Recorder, clock: Clock, log: &Logger) -> Self {
        Self {
            receive: service.listener.clone().recipient(),
            pass_due: service.reconciler.clone().recipient(),
            missed: service.listener.clone().recipient(),
            revoke: service.listener.clone().recipient(),
            rate_limited: service.listener.clone().recipient(),
            readiness: service.overseer.clone().recipient(),
            admit: service.gatekeeper.clone().recipient(),
            confirm: service.gatekeeper.clone().recipient(),
            onboard: service.registrar.clone().recipient(),
            forget: service.registrar.clone().recipient(),
            show_users: service.storage.clone().recipient(),
            missing_pictures: service.storage.clone().recipient(),
            put_picture: service.storage.clone().recipient(),
            darkroom: Darkroom::default(),
            name_at_most: presets::name_at_most(config.slack.name_field),
            exchange: service.slack.clone().recipient(),
            put_token: service.storage.clone().recipient(),
            authorised: service.reconciler.clone().recipient(),
            sign_in: service.slack.clone().recipient(),
            recount: service.chronicler.clone().recipient(),
            members: service.reconciler.clone().recipient(),
            directory: service.directory.clone(),
            recorder,
            clock,
            is_draining: service.is_draining.clone(),
            signing_secret: config.slack.signing_secret.clone(),
            oauth: OauthSettings::of(config),
            states: States::default(),
            entrance: Entrance::new(config.slack.client.is_some(), config.is_https()),
            queue: config.queue,
            started: Instant::now(),
            log: log.new(o!("actor" => "http")),
        }
    }
}

/// Every path, with the method that it takes and who answers it. A request is compared with them in this order, with those
/// that have a parameter by a regular expression: Slack's events come first.
fn all() -> Vec<(&'static str, Method, Route)> {
    let get = |path, handler: Route| (path, Method::GET, handler.method(Method::GET));
    let post = |path, handler: Route| (path, Method::POST, handler.method(Method::POST));
    let delete = |path, handler: Route| (path, Method::DELETE, handler.method(Method::DELETE));
    vec![
        post("/slack/events", web::to(slack_events::receive)),
        get("/slack/install", web::to(oauth::install)),
        get("/slack/oauth/callback", web::to(oauth::callback)),
        post("/onboard", web::to(onboard::post)),
        get("/onboard", web::to(onboard::get)),
        delete("/onboard/{user}", web::to(onboard::delete)),
        post("/onboard/{user}/pictures", web::to(onboard::picture)),
        get("/healthz", web::to(health::healthz)),
        get("/readyz", web::to(health::readyz)),
        get("/metrics", web::to(health::metrics)),
        get("/", web::to(operator::home)),
        get("/assets/{file}", web::to(assets::asset)),
        get("/signin", web::to(signin::begin)),
        get("/signin/callback", web::to(signin::callback)),
        post("/signout", web::to(signin::sign_out)),
    ]
}

/// All routes, as methods and paths.
pub fn listed() -> Vec<(Method, &'static str)> {
    all().into_iter().map(|(path, method, _)| (method, path)).collect()
}

/// Serves all routes. Another method than a path's own is answered 405.
pub fn routes(app: &mut ServiceConfig) {
    let mut paths: Vec<(&str, Vec<(Method, Route)>)> = Vec::new();
    for (path, method, route) in all() {
        match paths.iter_mut().find(|(known, _)| *known == path) {
            Some((_, routes)) => routes.push((method, route)),
            None => paths.push((path, vec![(method, route)])),
        }
    }
    for (path, routes) in paths {
        let allowed: Vec<String> = routes.iter().map(|(method, _)| method.to_string()).collect();
        let allowed = allowed.join(", ");
        let resource =
            routes.into_iter().fold(web::resource(path), |resource, (_, route)| resource.route(route));
        app.service(resource.default_service(web::to(move || error::wrong_method(allowed.clone()))));
    }
    app.default_service(web::to(error::not_found));
}
