//! The operator's page in a real browser, by the way that people take to it.

use std::net::TcpListener;

use serde_json::json;
use statusinator::{
    actors::event_listener::Missed,
    demo::{Effect, Fault},
};

use crate::{
    browser::Browser,
    harness::{Setup, TestApp},
};

const HEADLINE: &str = "return document.querySelector('h1').textContent";
const WORKING: &str =
    "return document.querySelector('#figures .tile:nth-child(3) dd').firstChild.textContent";

/// With members, an administrator, and an address that browsers are sent back to.
fn setup(members: usize) -> Setup {
    let mut setup = Setup::new().admin(true);
    // Free a moment ago: nobody else takes it before the application does.
    setup.address = Some(TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    for n in 1..=members {
        let id = format!("U{n}");
        let picture = setup.picture(&id, 40 * n as u16);
        let presets = json!({
            ":palm_tree:": { "name": format!("Ann {n} (away)"), "picture": picture },
            "default": { "name": format!("Ann {n}") },
        });
        setup = setup.member(&id, presets);
    }
    setup
}

async fn sign_in(browser: &Browser, app: &TestApp, id: &str) {
    browser.goto(&app.base).await;
    browser.click("a[href='/signin']").await;
    browser.allow(id).await;
}

async fn as_administrator(app: &TestApp) -> Browser {
    let browser = Browser::open().await;
    sign_in(&browser, app, "UADMIN").await;
    browser.find("#state").await;
    browser
}

#[actix::test]
async fn an_administrator_signs_in_and_the_page_keeps_itself_up_to_date() {
    let app = setup(2).start().await;
    let browser = as_administrator(&app).await;
    browser.until(HEADLINE, "All is well").await;
    browser.suits_everybody("operator-idle").await;
    browser.run("window.isTheSamePage = true").await;

    app.status("U1", ":palm_tree:").await;
    app.settle().await;

    let request = app.said("part applied").last().unwrap()["request"].as_str().unwrap().to_owned();
    let shown = format!("return document.querySelector('#changes').textContent.includes('{request}')");
    browser.until(&shown, true).await;
    assert_eq!(browser.run("return window.isTheSamePage").await, true, "without loading the page anew");
    assert!(browser.text("#members").await.contains("Ann 1"));
    browser.close().await;
    app.finish().await;
}

#[actix::test]
async fn without_scripts_the_page_loads_itself_anew() {
    let app = setup(1).start().await;
    let browser = Browser::open_without_scripts().await;
    sign_in(&browser, &app, "UADMIN").await;
    browser
        .until("return document.querySelector('#state .note').innerText.includes('Loaded anew every')", true)
        .await;

    app.status("U1", ":palm_tree:").await;
    app.settle().await;

    browser
        .until("return document.querySelector('#changes').textContent.includes('picture applied')", true)
        .await;
    browser.close().await;
    app.finish().await;
}

#[actix::test]
async fn a_plain_member_is_sent_back_kindly_and_learns_nothing() {
    let app = setup(1).start().await;
    let browser = Browser::open().await;
    browser.goto(&app.base).await;
    browser.suits_everybody("front").await;

    sign_in(&browser, &app, "U1").await;

    browser.until(HEADLINE, "This page is for administrators").await;
    browser.suits_everybody("plain-member").await;
    // Chromium complains of any page that is answered 403.
    assert!(browser.complaints().await.iter().all(|said| said.contains("status of 403")));
    browser.goto(&app.base).await;
    browser.until(HEADLINE, "Your status, at a glance").await;
    assert!(!browser.client.source().await.unwrap().contains("Ann 1"));
    browser.close().await;
    app.finish().await;
}

#[actix::test]
async fn the_printed_key_opens_the_page_and_leaves_the_address() {
    let app = setup(1).without_client().start_unready().await;
    app.ready().await;
    let browser = Browser::open().await;

    browser.goto(app.page_link.as_ref().unwrap()).await;

    browser.find("#state").await;
    assert_eq!(browser.client.current_url().await.unwrap().as_str(), format!("{}/", app.base));
    browser.close().await;
    app.end_hard().await;
}

#[actix::test]
async fn the_keyboard_reaches_the_way_out_and_takes_it() {
    let app = setup(1).start().await;
    let browser = as_administrator(&app).await;

    browser.find("body").await.send_keys("\u{e004}").await.unwrap();
    let focused = "return document.activeElement.textContent";
    browser.until(focused, "Sign out").await;
    let outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle").await;
    assert_eq!(outline, "solid", "where one is can be seen");
    browser.find("header button").await.send_keys("\u{e007}").await.unwrap();

    browser.until(HEADLINE, "Your status, at a glance").await;
    browser.close().await;
    app.finish().await;
}

#[actix::test]
async fn a_busy_service_shows_how_full_its_queues_are() {
    let app = setup(7).queue(3, 2, 1).start().await;
    for n in 1..=5 {
        app.status(&format!("U{n}"), ":palm_tree:").await;
        app.settle().await;
    }
    let browser = as_administrator(&app).await;
    app.slack.inject(Fault::next("users.profile.get", 1, Effect::Held));
    app.status("U1", "").await;
    app.until("the worker is held", async || app.slack.held() == 1).await;
    for n in 2..=4 {
        app.status(&format!("U{n}"), "").await;
    }
    for n in 6..=7 {
        app.status(&format!("U{n}"), ":palm_tree:").await;
        app.status_again(&format!("U{n}"), ":palm_tree:").await;
    }

    browser.until(WORKING, "1").await;

    let drawn = "return ['.standby', '.dead', '.applied', '.range', '.half', '.level'].map((kind) =>\
        [...document.querySelectorAll('section ' + kind)].some((mark) =>\
            mark.closest('[role=img], .gauge') && mark.getBoundingClientRect().height > 0))";
    assert_eq!(browser.run(drawn).await, json!(vec![true; 6]), "all kinds of marks can be seen");
    let figures = browser.text("#figures").await;
    assert!(figures.contains("3 of 3") && figures.contains("2 of 2"), "{figures}");
    assert!(browser.text("#problems").await.contains("Both queues are full"));
    browser.suits_everybody("operator-busy").await;
    browser.close().await;
    app.slack.let_go();
    app.finish().await;
}

#[actix::test]
async fn trouble_is_told_with_what_to_do_about_it() {
    let mut setup = setup(4);
    setup.authorised.truncate(2);
    let app = setup.start().await;
    let browser = as_administrator(&app).await;
    app.slack.inject(Fault::next("users.setPhoto", 1, Effect::Error("too_large".into())));
    for n in 1..=4 {
        app.status(&format!("U{n}"), ":palm_tree:").await;
        app.settle().await;
    }
    app.slack.inject(Fault::next("users.profile.get", 1, Effect::RateLimited(Some(600))));
    app.status("U2", "").await;
    std::fs::write(app.store().join("users.json"), "{ broken").unwrap();
    app.service.listener.do_send(Missed);

    browser.until(HEADLINE, "It runs, but something is wrong").await;
    let told = "return document.querySelector('#problems').textContent.includes('Slack limits users.profile.get until')";
    browser.until(told, true).await;
    let wrong = browser.text("#problems").await;
    for text in ["users.json cannot be read", "for want of consent", "/slack/install", "refused for good"] {
        assert!(wrong.contains(text), "{text}: {wrong}");
    }
    browser.suits_everybody("operator-trouble").await;
    browser.close().await;
    app.end_hard().await;
}
