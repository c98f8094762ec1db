//! The simulated Sign in with Slack: the page where a member says who he is, and `openid.connect.token`
//! (<https://docs.slack.dev/authentication/sign-in-with-slack>).

use actix_web::{
    HttpResponse,
    web::{Data, Form, Query},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use maud::html;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::{
    calls::ApiRequest,
    consent::{is_known, question, send_back, wrong},
    slack::SimulatedSlack,
    web_api::Answer,
    workspace::{Code, Workspace},
};

/// The scope that every sign-in asks for.
pub const SCOPE: &str = "openid";
/// How long an id token is good, in seconds.
const LIFETIME: u64 = 300;

/// What the app sends along.
#[derive(Debug, Deserialize)]
pub struct Wish {
    response_type: String,
    client_id: String,
    scope: String,
    redirect_uri: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    nonce: String,
    team: Option<String>,
}

/// What the member answers.
#[derive(Debug, Deserialize)]
pub struct Decision {
    redirect_uri: String,
    state: String,
    nonce: String,
    user: String,
    decision: String,
}

impl Wish {
    fn is_wrong(&self, slack: &SimulatedSlack) -> Option<&'static str> {
        let scopes: Vec<&str> = self.scope.split([' ', ',']).collect();
        let team = slack.lock().team.clone();
        if self.response_type != "code" {
            return Some("response_type must be code");
        }
        if !scopes.contains(&SCOPE) {
            return Some("the scope must contain openid");
        }
        if !scopes.iter().all(|scope| matches!(*scope, "openid" | "profile" | "email")) {
            return Some("a sign-in takes no scope but openid, profile and email");
        }
        if self.team.as_ref().is_some_and(|of| *of != team) {
            return Some("nobody here is a member of that workspace");
        }
        (!is_known(slack, &self.client_id, &self.redirect_uri))
            .then_some("the client id or the redirect URI is not this app's")
    }
}

/// `GET /openid/connect/authorize`.
pub async fn ask(wish: Option<Query<Wish>>, slack: Data<SimulatedSlack>) -> HttpResponse {
    let Some(Query(wish)) = wish else {
        return wrong("response_type, client_id, scope and redirect_uri are needed");
    };
    if let Some(why) = wish.is_wrong(&slack) {
        return wrong(why);
    }
    let text = html! { p { "It will learn who you are." } };
    let hidden = [("redirect_uri", wish.redirect_uri), ("state", wish.state), ("nonce", wish.nonce)];
    question("Sign in to Statusinator", &text, &hidden, &slack)
}

/// `POST /openid/connect/authorize`: sends the browser back to the app.
pub async fn answer(decision: Form<Decision>, slack: Data<SimulatedSlack>) -> HttpResponse {
    let Ok(back) = Url::parse(&decision.redirect_uri) else {
        return wrong("the redirect URI is no address");
    };
    let nonce = Some(decision.nonce.as_str()).filter(|nonce| !nonce.is_empty());
    let code = (decision.decision == "allow")
        .then(|| slack.sign_in(&decision.user.parse().ok()?, nonce, &decision.redirect_uri));
    send_back(back, code, &decision.state)
}

/// `openid.connect.token` of a code that is good.
pub(super) fn token(workspace: &mut Workspace, request: &ApiRequest, code: &Code, unix_now: u64) -> Answer {
    if request.argument("grant_type").is_some_and(|kind| kind != "authorization_code") {
        return Err("invalid_grant_type".into());
    }
    let access_token = workspace.grant(&code.user, false, &[SCOPE]);
    let (user, team) = (code.user.as_str(), workspace.team.as_str());
    // The left half of the access token's digest (OpenID Connect Core 1.0, 3.1.3.6).
    let at_hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(&access_token)[..16]);
    let mut claims = json!({ "iss": workspace.app.issuer, "sub": user, "aud": workspace.app.client_id,
        "exp": unix_now + LIFETIME, "iat": unix_now, "auth_time": unix_now, "at_hash": at_hash,
        "https://slack.com/team_id": team, "https://slack.com/user_id": user });
    if let Some(nonce) = &code.nonce {
        claims["nonce"] = json!(nonce);
    }
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": "simulated" });
    // There is no key here to sign with; real Slack's signature looks like this.
    let signature = [0xA5; 256];
    let parts = [header.to_string().into_bytes(), claims.to_string().into_bytes(), signature.to_vec()];
    let id_token = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    Ok(json!({ "ok": true, "access_token": access_token, "token_type": "Bearer", "id_token": id_token }))
}
