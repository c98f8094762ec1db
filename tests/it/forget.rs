//! `DELETE /onboard/{user}`: whatever is under way, he is forgotten before the answer, and nothing of him is left.

use std::time::Duration;

use futures_util::join;
use serde_json::json;
use statusinator::{
    actors::storage_helper::PutToken,
    demo::{Effect, Fault, pictures},
    domain::RequestId,
};

use crate::harness::{Setup, TestApp, user};

fn presets() -> serde_json::Value {
    json!({ ":a:": { "name": "A" }, ":b:": { "name": "B" } })
}

impl TestApp {
    async fn forget(&self, id: &str) -> u16 {
        self.boss().call("DELETE", &format!("/onboard/{id}"), "").await.0
    }

    /// What is kept of a member: in the store, in the state folder, in the cache.
    fn kept_of(&self, id: &str) -> Vec<&'static str> {
        let users = std::fs::read_to_string(self.store().join("users.json")).unwrap();
        let state = self.config.data_dir.join("state/members").join(id);
        let kept = [
            ("presets", users.contains(&format!("\"{id}\""))),
            ("pictures", self.store().join(id).exists()),
            ("token", self.store().join("tokens").join(id).exists()),
            ("state", state.exists()),
            ("cache", self.onboarded().contains_key(&user(id))),
        ];
        kept.into_iter().filter(|(_, is_kept)| *is_kept).map(|(what, _)| what).collect()
    }

    fn calls_about(&self, id: &str) -> usize {
        let about = |call: &statusinator::demo::calls::Call| {
            call.user == Some(user(id)) && call.method != "auth.revoke"
        };
        self.slack.calls().iter().filter(|call| about(call)).count()
    }
}

#[actix::test]
async fn presets_pictures_token_and_state_go_and_nobody_elses() {
    let setup = Setup::new();
    let link = setup.picture("U1", 9);
    let app = setup
        .member("U1", json!({ ":a:": { "name": "A", "picture": link } }))
        .member("U2", presets())
        .start()
        .await;
    app.status("U1", ":a:").await;
    app.status("U2", ":a:").await;
    app.settle().await;
    assert_eq!(app.kept_of("U1"), ["presets", "pictures", "token", "state", "cache"]);

    assert_eq!(app.forget("U1").await, 200);

    assert_eq!(app.kept_of("U1"), [""; 0]);
    assert_eq!(app.kept_of("U2"), ["presets", "token", "state", "cache"]);
    let dead: Vec<_> =
        app.slack.lock().grants.values().filter(|grant| grant.dead.is_some()).cloned().collect();
    assert_eq!((dead.len(), dead[0].owner.as_str(), dead[0].dead), (1, "U1", Some("token_revoked")));
    assert_eq!(app.said("member forgotten")[0]["administrator"], "UBOSS");
    assert_eq!(app.forget("U1").await, 200, "again");
    assert_eq!(app.forget("UNOBODY").await, 200, "also when unknown");
    let before = app.calls_about("U1");
    assert_eq!(app.status("U1", ":b:").await.status, 200);
    app.settle().await;
    assert_eq!((app.calls_about("U1"), app.name("U2")), (before, "A".into()));
    app.finish().await;
}

#[actix::test]
async fn a_request_on_standby_and_a_dead_letter_are_dropped() {
    let app = Setup::new()
        .queue(1, 5, 1)
        .member("U1", presets())
        .member("U2", presets())
        .member("U3", presets())
        .start()
        .await;
    app.slack.inject(Fault::next("users.profile.get", 1, Effect::Held).of(&user("U1")));
    let before = app.calls_about("U2") + app.calls_about("U3");
    app.status("U1", ":a:").await;
    app.status("U2", ":a:").await;
    app.status_again("U3", ":a:").await;
    assert_eq!((&app.depths().await["standby"], &app.depths().await["dead_letters"]), (&json!(1), &json!(1)));

    assert_eq!((app.forget("U3").await, app.forget("U2").await), (200, 200));

    assert_eq!((&app.depths().await["standby"], &app.depths().await["dead_letters"]), (&json!(0), &json!(0)));
    app.slack.let_go();
    app.settle().await;
    assert_eq!(app.calls_about("U2") + app.calls_about("U3"), before);
    assert_eq!((app.kept_of("U2"), app.kept_of("U3"), app.name("U1")), (vec![], vec![], "A".into()));
    app.finish().await;
}

#[actix::test]
async fn a_call_under_way_is_awaited_and_no_other_follows() {
    for (method, earlier) in [("users.profile.get", 0), ("users.profile.set", 1), ("users.setPhoto", 1)] {
        let setup = Setup::new();
        let link = setup.picture("U1", 9);
        let app = setup.member("U1", json!({ ":a:": { "name": "A", "picture": link } })).start().await;
        let before = app.calls_about("U1");
        app.slack.inject(Fault::next(method, 1, Effect::Held).of(&user("U1")));
        app.status("U1", ":a:").await;
        app.until("the call is under way", async || app.slack.held() == 1).await;
        app.until("the others were made", async || app.calls_about("U1") - before >= earlier).await;

        let let_go = async {
            app.until("he left the cache", async || !app.onboarded().contains_key(&user("U1"))).await;
            assert_eq!(app.depths().await["working"], 1, "{method}");
            app.slack.let_go();
        };
        let (status, ()) = join!(app.forget("U1"), let_go);

        assert_eq!((status, &app.depths().await["working"]), (200, &json!(0)), "{method}");
        let made = app.calls_about("U1");
        app.settle().await;
        assert_eq!((app.calls_about("U1"), app.kept_of("U1")), (made, vec![]), "{method}");
        if method == "users.profile.get" {
            assert_eq!((made - before, app.name("U1")), (1, "U1 by birth".into()));
        }
        app.finish().await;
    }
}

#[actix::test]
async fn a_request_that_was_put_off_is_dropped() {
    let app = Setup::new().member("U1", presets()).start().await;
    app.slack.inject(Fault::next("users.profile.set", 1, Effect::RateLimited(Some(3600))));
    app.status("U1", ":a:").await;
    app.until("it is put off", async || app.depths().await["put_off"] == 1).await;

    assert_eq!(app.forget("U1").await, 200);

    assert_eq!((&app.depths().await["put_off"], app.kept_of("U1")), (&json!(0), vec![]));
    app.finish().await;
}

#[actix::test]
async fn our_own_revocation_is_not_taken_for_his() {
    let app = Setup::new().admin(true).member("U1", presets()).start().await;
    app.slack.take_events();
    assert_eq!(app.forget("U1").await, 200);
    let echo = app.slack.take_events();
    assert_eq!(echo[0]["event"]["type"], "tokens_revoked");
    assert_eq!(app.boss().onboard(&json!({ "U1": presets() })).await.0, 200);
    app.until("he is onboarded anew", async || app.onboarded().contains_key(&user("U1"))).await;
    app.settle().await;

    assert_eq!(app.event(&echo[0]).await.status, 200);

    app.status("U1", ":a:").await;
    app.until("the admin token sets his name", async || app.name("U1") == "A").await;
    app.authorise("U1").await;
    app.slack.take_events();
    app.slack.revoke(&user("U1"));
    assert_eq!(app.deliver().await.status, 200);
    app.status("U1", ":b:").await;
    app.settle().await;
    assert_eq!(app.name("U1"), "A", "who authorised since has withdrawn himself");
    app.finish().await;
}

#[actix::test]
async fn who_withdrew_is_acted_for_again_when_he_is_forgotten_and_onboarded_anew() {
    let app = Setup::new().admin(true).member("U1", presets()).start().await;
    app.slack.take_events();
    app.slack.revoke(&user("U1"));
    app.deliver().await;
    app.status("U1", ":a:").await;
    app.settle().await;
    assert_eq!(app.boss().onboard(&json!({ "U1": presets() })).await.0, 200);
    app.settle().await;
    assert_eq!(app.name("U1"), "U1 by birth", "to be named is not enough");

    assert_eq!(app.forget("U1").await, 200);
    assert_eq!(app.boss().onboard(&json!({ "U1": presets() })).await.0, 200);

    app.until("the admin token sets his name", async || app.name("U1") == "A").await;
    app.finish().await;
}

#[actix::test]
async fn a_token_that_a_setting_has_is_not_revoked() {
    let app = Setup::new().admin(true).start().await;
    let token = app.config.slack.admin_token.clone().unwrap();
    let put = PutToken { user: user("UADMIN"), token: token.clone(), request: RequestId::random() };
    app.service.storage.send(put).await.unwrap().unwrap();
    assert_eq!(app.kept_of("UADMIN"), ["token"]);

    assert_eq!(app.forget("UADMIN").await, 200);

    assert_eq!(app.kept_of("UADMIN"), [""; 0]);
    assert_eq!(app.slack.lock().grants[token.expose()].dead, None);
    app.finish().await;
}

#[actix::test]
async fn while_slack_does_not_revoke_the_token_it_is_503_and_asking_again_goes_on() {
    let app = Setup::new().member("U1", presets()).start().await;
    app.slack.inject(Fault::next("auth.revoke", 1, Effect::Status(500)));

    let (status, body) = app.boss().call("DELETE", "/onboard/U1", "").await;

    assert_eq!((status, body["error"].as_str()), (503, Some("unfinished")));
    assert_eq!(app.kept_of("U1"), ["token"]);
    assert_eq!(app.forget("U1").await, 200);
    assert_eq!(app.kept_of("U1"), [""; 0]);
    app.finish().await;
}

#[actix::test]
async fn a_token_that_no_key_opens_goes_too_and_it_is_said() {
    let app = Setup::new().stranger_to_the_app("U1", presets()).start().await;
    std::fs::create_dir_all(app.store().join("tokens")).unwrap();
    std::fs::write(app.store().join("tokens/U1"), "sealed with another key").unwrap();

    assert_eq!(app.forget("U1").await, 200);

    assert_eq!(app.kept_of("U1"), [""; 0]);
    assert_eq!(
        app.said("a token that no vault key opens was removed, but could not be revoked at slack").len(),
        1
    );
    app.finish().await;
}

#[actix::test]
async fn he_may_be_forgotten_at_any_moment_of_a_request() {
    let setup = Setup::new();
    let link = setup.picture("U1", 9);
    let with_picture = json!({ ":a:": { "name": "A", "picture": link }, ":b:": { "name": "B" } });
    let app = setup.member("U1", with_picture).start().await;
    for n in 0..30_u64 {
        let upload = app.boss().upload("U1", pictures::square(9)).await;
        let presets =
            json!({ ":a:": { "name": format!("A{n}"), "picture": upload }, "default": { "name": "D" } });
        assert_eq!(app.boss().onboard(&json!({ "U1": presets })).await.0, 200);
        app.until("the cache has him", async || app.onboarded().contains_key(&user("U1"))).await;
        app.slack.lock().windows.are_off = true;
        app.authorise("U1").await;
        app.slack.lock().windows.are_off = false;
        app.status("U1", if n % 2 == 0 { ":a:" } else { ":x:" }).await;
        tokio::time::sleep(Duration::from_micros(n * 400)).await;

        assert_eq!(app.forget("U1").await, 200, "{n}");

        assert_eq!((app.depths().await["working"].clone(), app.kept_of("U1")), (json!(0), vec![]), "{n}");
        let made = app.calls_about("U1");
        app.settle().await;
        assert_eq!((app.calls_about("U1"), app.kept_of("U1")), (made, vec![]), "{n}");
    }
    app.finish().await;
}
