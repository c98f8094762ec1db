//! The simulated Web API: does what a call asks for, and refuses what real Slack would refuse.
//!
//! A refusal that is the caller's own fault (a wrong verb, a missing header, one call too many) is noted as a
//! violation: a test that ends with violations fails. The rules are those of <https://docs.slack.dev/apis/web-api> and
//! of each method's page.

use serde_json::{Value, json};

use crate::{clock::Instant, domain::UserId};

use super::{
    access,
    calls::{ApiRequest, ApiResponse},
    limits::{TooMany, tier},
    sign_in,
    workspace::{Code, Grant, Workspace},
    writes,
};

/// A call whose token was found.
pub(super) struct Authorised<'a> {
    pub(super) request: &'a ApiRequest,
    pub(super) token: &'a str,
    pub(super) grant: Grant,
    pub(super) unix_now: u64,
}

pub(super) type Answer = Result<Value, String>;

impl Workspace {
    /// Answers a call that was sent at `sent` and arrives now.
    pub fn answer(
        &mut self,
        request: &ApiRequest,
        sent: Instant,
        now: Instant,
        unix_now: u64,
    ) -> ApiResponse {
        if tier(&request.method).is_none() {
            return self.violation(request, "unknown_method");
        }
        if request.query.iter().any(|(name, _)| name == "token") {
            return self.violation(request, "invalid_auth");
        }
        if let Err(code) = check_verb(request) {
            return self.violation(request, code);
        }
        if matches!(request.method.as_str(), "oauth.v2.access" | "openid.connect.token") {
            let counted = self.windows.count(&request.method, None, sent, now);
            return self.limited(request, counted).unwrap_or_else(|| {
                let answer = self.redeem(request, now).and_then(|code| match request.method.as_str() {
                    "oauth.v2.access" => Ok(self.exchange(&code)),
                    _ => sign_in::token(self, request, &code, unix_now),
                });
                respond(answer, None)
            });
        }
        let token = request.authorization.as_deref().and_then(|text| text.strip_prefix("Bearer "));
        let Some(token) = token.map(str::to_owned) else { return self.violation(request, "not_authed") };
        let Some(grant) = self.grants.get(&token).cloned() else { return ApiResponse::error("invalid_auth") };
        if let Some(dead) = grant.dead {
            return ApiResponse::error(dead);
        }
        if request.method == "users.setPhoto" && request.argument("user").is_some() {
            // Real Slack sets the picture of the token's owner all the same: never what the caller meant.
            self.violations.push("users.setPhoto: takes no user".into());
        }
        let about = Self::about(request, &grant);
        let write = matches!(request.method.as_str(), "users.profile.set" | "users.setPhoto")
            .then_some((token.as_str(), &about));
        let counted = self.windows.count(&request.method, write, sent, now);
        if let Some(refused) = self.limited(request, counted) {
            return refused;
        }
        let scopes = grant.scopes.join(",");
        let answer = self.dispatch(&Authorised { request, token: &token, grant, unix_now });
        respond(answer, Some(scopes))
    }

    /// Whose profile a call writes: the member's that it names, else the token's owner's.
    fn about(request: &ApiRequest, grant: &Grant) -> UserId {
        if request.method == "users.setPhoto" {
            return grant.owner.clone();
        }
        request.argument("user").and_then(|user| user.parse().ok()).unwrap_or_else(|| grant.owner.clone())
    }

    fn limited(&mut self, request: &ApiRequest, counted: Result<(), TooMany>) -> Option<ApiResponse> {
        let TooMany { retry_after, is_fault } = counted.err()?;
        if is_fault {
            self.violations.push(format!("{}: more calls than the limit allows", request.method));
        }
        Some(ApiResponse::rate_limited(Some(retry_after)))
    }

    fn violation(&mut self, request: &ApiRequest, code: &str) -> ApiResponse {
        self.violations.push(format!("{}: {code}", request.method));
        ApiResponse::error(code)
    }

    fn dispatch(&mut self, call: &Authorised<'_>) -> Answer {
        match call.request.method.as_str() {
            "auth.test" => Ok(self.auth_test(call)),
            "auth.revoke" => access::revoke(self, call),
            "admin.users.list" => access::users_list(self, call),
            "users.profile.get" => {
                self.need_scope(call, "users.profile:read")?;
                let person = self.person(call.request)?;
                Ok(json!({ "ok": true, "profile": person.profile() }))
            }
            "users.info" => {
                self.need_scope(call, "users:read")?;
                let team = self.team.clone();
                let person = self.person(call.request)?;
                Ok(json!({ "ok": true, "user": person.object(&team) }))
            }
            "users.list" => self.users_list(call),
            "users.profile.set" => writes::profile_set(self, call),
            _ => writes::set_photo(self, call),
        }
    }

    fn person(&self, request: &ApiRequest) -> Result<&super::workspace::Person, String> {
        let id = request.argument("user").and_then(|id| id.parse::<UserId>().ok());
        id.and_then(|id| self.people.get(&id)).ok_or_else(|| "user_not_found".into())
    }

    /// The caller asked for too little when the app was installed: his own fault.
    pub(super) fn need_scope(&mut self, call: &Authorised<'_>, scope: &str) -> Result<(), String> {
        if call.grant.scopes.iter().any(|granted| granted == scope) {
            return Ok(());
        }
        Err("missing_scope".into())
    }

    fn auth_test(&self, call: &Authorised<'_>) -> Value {
        let mut answer = json!({ "ok": true, "url": "https://simulated.invalid/", "team": "Simulated", "user": "somebody",
            "team_id": self.team, "user_id": call.grant.owner.as_str(), "is_enterprise_install": false });
        if call.grant.is_bot {
            answer["bot_id"] = json!("B0SIMULATED");
        }
        answer
    }

    fn users_list(&mut self, call: &Authorised<'_>) -> Answer {
        self.need_scope(call, "users:read")?;
        let limit = call.request.argument("limit").and_then(|text| text.parse::<usize>().ok());
        let Some(limit) = limit.filter(|limit| (1..1000).contains(limit)) else {
            self.violations.push("users.list: limit_required".into());
            return Err("limit_required".into());
        };
        let from = match call.request.argument("cursor").as_deref() {
            None | Some("") => 0,
            Some(cursor) => {
                let n = cursor.strip_prefix("from-").and_then(|n| n.parse::<usize>().ok());
                n.filter(|n| *n < self.people.len()).ok_or("invalid_cursor")?
            }
        };
        let members: Vec<Value> =
            self.people.values().skip(from).take(limit).map(|it| it.object(&self.team)).collect();
        let next = from + members.len();
        let cursor = if next < self.people.len() { format!("from-{next}") } else { String::new() };
        Ok(json!({ "ok": true, "members": members, "cache_ts": call.unix_now,
            "response_metadata": { "next_cursor": cursor } }))
    }

    /// Takes the code that the app was given, if the app is who it says.
    fn redeem(&mut self, request: &ApiRequest, now: Instant) -> Result<Code, String> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let basic = request.authorization.as_deref().and_then(|text| text.strip_prefix("Basic "));
        let basic = basic.and_then(|text| String::from_utf8(STANDARD.decode(text).ok()?).ok());
        let (id, secret) =
            basic.as_deref().and_then(|text| text.split_once(':')).ok_or("invalid_client_id")?;
        if id != self.app.client_id {
            return Err("invalid_client_id".into());
        }
        if secret != self.app.client_secret {
            return Err("bad_client_secret".into());
        }
        let code =
            request.argument("code").and_then(|code| self.codes.remove(&code)).ok_or("invalid_code")?;
        if code.at + std::time::Duration::from_secs(600) <= now {
            return Err("invalid_code".into());
        }
        // A code of the consent page is no code of the sign-in page, nor the other way round.
        let is_of_sign_in = code.scopes.iter().any(|scope| scope == sign_in::SCOPE);
        if is_of_sign_in != (request.method == "openid.connect.token") {
            return Err("oauth_authorization_url_mismatch".into());
        }
        if request.argument("redirect_uri").as_deref() != Some(&code.redirect_uri) {
            return Err("bad_redirect_uri".into());
        }
        Ok(code)
    }

    fn exchange(&mut self, code: &Code) -> Value {
        let scopes: Vec<&str> = code.scopes.iter().map(String::as_str).collect();
        let token = self.grant(&code.user, false, &scopes);
        json!({ "ok": true, "app_id": "A0SIMULATED", "authed_user": { "id": code.user.as_str(),
            "scope": code.scopes.join(","), "access_token": token, "token_type": "user" },
            "team": { "id": self.team, "name": "Simulated" }, "enterprise": null, "is_enterprise_install": false })
    }
}

fn respond(answer: Answer, scopes: Option<String>) -> ApiResponse {
    let response = match answer {
        Ok(body) => ApiResponse::json(&body),
        Err(code) => ApiResponse::error(&code),
    };
    ApiResponse { scopes, ..response }
}

/// Each method takes certain verbs and encodings only.
fn check_verb(request: &ApiRequest) -> Result<(), &'static str> {
    let (verb, encoding) = (request.verb.as_str(), request.content_type.as_str());
    let form = "application/x-www-form-urlencoded";
    match (request.method.as_str(), verb) {
        ("users.profile.get" | "users.info" | "users.list" | "auth.revoke", "GET") => Ok(()),
        ("auth.test", "GET" | "POST") => Ok(()),
        ("admin.users.list", "POST") if encoding == "application/json" || encoding == form => Ok(()),
        ("users.profile.set", "POST") if encoding == "application/json" || encoding == form => Ok(()),
        ("users.setPhoto", "POST") if encoding == "multipart/form-data" => Ok(()),
        ("oauth.v2.access", "POST") if encoding == form => Ok(()),
        ("openid.connect.token", "POST") if encoding == "application/json" || encoding == form => Ok(()),
        (
            "users.profile.set"
            | "users.setPhoto"
            | "oauth.v2.access"
            | "openid.connect.token"
            | "admin.users.list",
            "POST",
        ) => Err("invalid_post_type"),
        _ => Err("invalid_arguments"),
    }
}
