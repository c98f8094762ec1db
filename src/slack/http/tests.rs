//! The transport over real sockets, against the simulated Slack.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use super::*;
use crate::{
    clock::{Clock, Instant},
    demo::{Effect, Fault, Server, SimulatedSlack, pictures},
    pictures::Picture,
    slack::{CallError, SlackError, Token, WebApi},
};

struct Stage {
    slack: SimulatedSlack,
    api: WebApi,
    token: Token,
    _server: Server,
}

fn stage() -> Stage {
    let slack = SimulatedSlack::new("T1", false, Clock::System);
    let user = "U1".parse().unwrap();
    slack.lock().add(&user, "Ann");
    let token = Token::new(slack.user_token(&user));
    let server = Server::start(&slack, |_| {}).unwrap();
    let transport = HttpTransport::new(&server.api_url().parse().unwrap());
    Stage { slack, api: WebApi::new(std::rc::Rc::new(transport)), token, _server: server }
}

#[actix::test]
async fn a_picture_travels_as_slack_wants_it() {
    let stage = stage();
    let picture = Picture::check(pictures::square(7)).unwrap();

    let hash = stage.api.users_set_photo(&stage.token, &picture).await.unwrap();

    let ann = stage.slack.person(&"U1".parse().unwrap()).unwrap();
    assert_eq!((ann.photo, Some(ann.avatar_hash)), (Some(picture.bytes), hash));
    assert_eq!(stage.slack.violations(), Vec::<String>::new());
}

#[actix::test]
async fn a_cut_answer_and_a_gone_server_are_unavailable() {
    let stage = stage();
    let user = "U1".parse().unwrap();
    stage.slack.inject(Fault::next("users.profile.get", 1, Effect::Cut));
    let cut = stage.api.users_profile_get(&stage.token, &user).await.unwrap_err();
    assert!(matches!(cut, CallError::Failed(SlackError::Unavailable(_))), "{cut:?}");

    let nobody = HttpTransport::new(&"http://127.0.0.1:9/api/".parse().unwrap());
    let gone =
        WebApi::new(std::rc::Rc::new(nobody)).users_profile_get(&stage.token, &user).await.unwrap_err();

    assert!(matches!(gone, CallError::Failed(SlackError::Unavailable(_))), "{gone:?}");
}

#[actix::test]
async fn the_deadline_holds_for_a_body_that_does_not_come() {
    let stage = stage();
    stage.slack.inject(Fault::next("users.profile.get", 1, Effect::SlowBody(Duration::from_secs(600))));
    let began = Instant::now();

    let late = stage.api.users_profile_get(&stage.token, &"U1".parse().unwrap()).await.unwrap_err();

    assert!(matches!(late, CallError::Failed(SlackError::Unavailable(why)) if why.contains("10 s")));
    assert!(began.elapsed() >= Duration::from_secs(10));
}

#[actix::test]
async fn retry_after_arrives_as_data() {
    let stage = stage();
    stage.slack.inject(Fault::next("users.profile.get", 1, Effect::RateLimited(Some(7))));

    let limited = stage.api.users_profile_get(&stage.token, &"U1".parse().unwrap()).await.unwrap_err();

    assert_eq!(limited, CallError::RateLimited(Some(Duration::from_secs(7))));
}
