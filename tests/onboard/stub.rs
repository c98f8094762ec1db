//! A stand-in for the service that does what it is told to: every trouble that a proxy or a network can make.
//!
//! It keeps what it was sent and is strict about how it was sent.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, mpsc},
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::StatusCode,
    web::{self, Bytes, Data},
};
use serde_json::{Value, json};
use statusinator::{domain::UserId, pictures, presets};

pub const TOKEN: &str = "xoxp-administrator";

/// An answer given instead of the proper one.
pub struct Trouble {
    /// Method and the end of the path.
    pub on: (&'static str, &'static str),
    /// So many calls of that kind go well before.
    pub skip: usize,
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

#[derive(Default)]
pub struct State {
    pub users: Value,
    pub pictures: BTreeSet<String>,
    /// Method, path and the body's length of every call.
    pub calls: Vec<(String, String, usize)>,
    pub troubles: VecDeque<Trouble>,
}

impl State {
    /// The first trouble that waits for such a call, if it is its turn.
    fn trouble(&mut self, method: &str, path: &str) -> Option<Trouble> {
        let is_meant = |trouble: &Trouble| trouble.on.0 == method && path.ends_with(trouble.on.1);
        let at = self.troubles.iter().position(is_meant)?;
        let trouble = &mut self.troubles[at];
        if trouble.skip > 0 {
            trouble.skip -= 1;
            return None;
        }
        self.troubles.remove(at)
    }
}

/// A listening stand-in; it ends with the test's process.
pub struct Stub {
    pub address: String,
    state: Arc<Mutex<State>>,
}

impl Stub {
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State { users: json!({}), ..State::default() }));
        let shared = Data::from(state.clone());
        let (bound, address) = mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = HttpServer::new(move || {
                    App::new()
                        .app_data(shared.clone())
                        .app_data(web::PayloadConfig::new(16 * 1024 * 1024))
                        .default_service(web::to(answer))
                });
                let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
                bound.send(server.addrs()[0]).unwrap();
                server.run().await
            })
        });
        Self { address: format!("http://{}", address.recv().unwrap()), state }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The next call of this kind gets this answer instead.
    pub fn trouble(
        &self,
        on: (&'static str, &'static str),
        status: u16,
        body: &str,
        headers: &[(&'static str, &str)],
    ) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.state().troubles.push_back(Trouble { on, skip: 0, status, headers, body: body.to_owned() });
    }

    /// How many calls there were of this kind.
    pub fn calls(&self, on: (&str, &str)) -> usize {
        self.state().calls.iter().filter(|call| call.0 == on.0 && call.1.ends_with(on.1)).count()
    }
}

async fn answer(request: HttpRequest, body: Bytes, state: Data<Mutex<State>>) -> HttpResponse {
    let (method, path) = (request.method().to_string(), request.path().to_owned());
    let mut state = state.lock().unwrap();
    state.calls.push((method.clone(), path.clone(), body.len()));
    if let Some(trouble) = state.trouble(&method, &path) {
        let mut response = HttpResponse::build(StatusCode::from_u16(trouble.status).unwrap());
        for header in trouble.headers {
            response.insert_header(header);
        }
        return response.body(trouble.body);
    }
    let header = |name: &str| request.headers().get(name).map_or("", |value| value.to_str().unwrap());
    if header("authorization") != format!("Bearer {TOKEN}") {
        return refuse(401, "unauthorized", "the token is dead", &[]);
    }
    match (method.as_str(), path.strip_prefix("/onboard")) {
        ("GET", Some("")) => HttpResponse::Ok().json(&state.users),
        ("POST", Some("")) if header("content-type") == "application/json" => onboard(&mut state, &body),
        ("POST", Some(path)) => upload(&mut state, path, &body),
        _ => refuse(404, "not_found", "there is nothing here", &[]),
    }
}

fn refuse(status: u16, error: &str, message: &str, problems: &[presets::Problem]) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap();
    HttpResponse::build(status).json(json!({ "error": error, "message": message, "problems": problems }))
}

fn problem(path: impl Into<String>, message: &str) -> presets::Problem {
    presets::Problem { path: path.into(), message: message.to_owned() }
}

fn upload(state: &mut State, path: &str, body: &Bytes) -> HttpResponse {
    let user: UserId = path.strip_prefix('/').unwrap().strip_suffix("/pictures").unwrap().parse().unwrap();
    if image::guess_format(body).is_err() {
        return refuse(422, "problems", "nothing was changed", &[problem("", "it is no picture")]);
    }
    let link = format!("memory://store/{user}/{}.png", pictures::id(body));
    state.pictures.insert(link.clone());
    HttpResponse::Created().json(json!({ "picture": link }))
}

fn onboard(state: &mut State, body: &Bytes) -> HttpResponse {
    if body.len() > 8 * 1024 * 1024 {
        return refuse(413, "too_large", "the body is over 8 MiB", &[]);
    }
    let named: Value = serde_json::from_slice(body).unwrap();
    let mut problems = Vec::new();
    if let Err(found) = presets::check(&named, 80) {
        problems.extend(found);
    }
    let mut warnings = Vec::new();
    for (user, presets) in named.as_object().unwrap() {
        if presets.get("default").is_none() {
            warnings.push(json!({ "path": presets::below("", user), "message": "has no default" }));
        }
        for (key, preset) in presets.as_object().unwrap() {
            if preset["picture"].as_str().is_some_and(|link| !state.pictures.contains(link)) {
                let path = presets::below(&presets::below(&presets::below("", user), key), "picture");
                problems.push(problem(path, "is not in the store"));
            }
        }
    }
    if !problems.is_empty() {
        return refuse(422, "problems", "some presets are wrong", &problems);
    }
    let named = named.as_object().unwrap().clone();
    let onboarded: Vec<_> = named.keys().cloned().collect();
    state.users.as_object_mut().unwrap().extend(named);
    HttpResponse::Ok().json(json!({ "lastUpdatedAt": "1", "onboarded": onboarded, "warnings": warnings }))
}
