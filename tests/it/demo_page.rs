//! The demo in a real browser.

use std::process::Command;

use crate::browser::{Browser, Running};

const ANN: &str = "return document.querySelector('#U0ANN [data-name]').textContent";
const ANNS_PHOTO: &str = "return document.querySelector('#U0ANN [data-photo]').naturalWidth";
const CLEO: &str = "return document.querySelector('#U0CLEO [data-name]').textContent";

async fn pick(browser: &Browser, member: &str, emoji: &str) {
    browser.find(&format!("#{member} select")).await.select_by_value(emoji).await.unwrap();
}

#[actix::test]
async fn a_visitor_picks_an_emoji_sees_the_change_and_allows_the_app() {
    let mut demo = Running::start(Command::new(env!("CARGO_BIN_EXE_statusinator")).arg("demo"));
    let page = demo.told("Page ");
    let browser = Browser::open().await;
    browser.goto(&page).await;
    assert_eq!(browser.client.title().await.unwrap(), "Statusinator demo");
    browser.until(ANN, "Ann Archer").await;
    browser.until(ANNS_PHOTO, 512).await;
    browser.suits_everybody("demo-before").await;

    pick(&browser, "U0ANN", ":palm_tree:").await;

    browser.until(ANN, "Ann (on holiday)").await;
    let steps = "return document.querySelector('#U0ANN [data-steps]').textContent.includes('users.setPhoto')";
    browser.until(steps, true).await;
    browser.until(ANNS_PHOTO, 512).await;

    browser.click("#U0CLEO [data-consent] a").await;
    browser.allow("U0CLEO").await;
    browser.until("return document.querySelector('h1').textContent", "Done").await;
    browser.suits_everybody("consent-done").await;
    browser.goto(&page).await;
    pick(&browser, "U0CLEO", ":palm_tree:").await;
    browser.until(CLEO, "Cleo (on holiday)").await;
    browser.suits_everybody("demo-after").await;
    browser.close().await;
}
