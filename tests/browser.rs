//! The demo in a real browser: Debian's Chromium, driven over WebDriver.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;

/// A process that is ended with the test.
struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program is installed");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// What stands behind this text in the first line that has it.
    fn told(&mut self, text: &str) -> String {
        let found = self
            .lines
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| Some(line.split_once(text)?.1.to_owned()));
        found.unwrap_or_else(|| panic!("the program never said {text:?}")).trim().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn browser() -> (Client, Running) {
    let mut driver = Running::start(Command::new("chromedriver").arg("--port=0"));
    let port = driver.told("started successfully on port ");
    let profile = tempfile::tempdir().unwrap().keep();
    let arguments = json!([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-quic",
        "--no-first-run",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1100,900",
        format!("--user-data-dir={}", profile.display()),
    ]);
    let options = json!({ "binary": "/usr/bin/chromium", "args": arguments });
    let capabilities = json!({ "browserName": "chrome", "goog:chromeOptions": options });
    let client = ClientBuilder::new(HttpConnector::new())
        .capabilities(capabilities.as_object().unwrap().clone())
        .connect(&format!("http://127.0.0.1:{}", port.trim_end_matches('.')))
        .await
        .unwrap();
    (client, driver)
}

/// Waits until a script's value is this.
async fn until(client: &Client, script: &str, wanted: serde_json::Value) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while client.execute(script, vec![]).await.unwrap() != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(
        waited.await.is_ok(),
        "{script} never became {wanted}: {:?}",
        client.execute(script, vec![]).await
    );
}

async fn screenshot(client: &Client, name: &str) {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(folder.join(format!("{name}.png")), client.screenshot().await.unwrap()).unwrap();
}

const ANN: &str = "return document.querySelector('#U0ANN [data-name]').textContent";
const ANNS_PHOTO: &str = "return document.querySelector('#U0ANN [data-photo]').naturalWidth";
const CLEO: &str = "return document.querySelector('#U0CLEO [data-name]').textContent";

#[actix::test]
async fn a_visitor_picks_an_emoji_sees_the_change_and_allows_the_app() {
    let mut demo = Running::start(Command::new(env!("CARGO_BIN_EXE_statusinator")).arg("demo"));
    let page = demo.told("Page ");
    let (client, _driver) = browser().await;
    client.goto(&page).await.unwrap();
    assert_eq!(client.title().await.unwrap(), "Statusinator demo");
    until(&client, ANN, json!("Ann Archer")).await;
    client
        .execute("window.problems = []; window.onerror = (text) => problems.push(text)", vec![])
        .await
        .unwrap();
    until(&client, ANNS_PHOTO, json!(512)).await;
    screenshot(&client, "demo-before").await;

    let emoji = client.find(Locator::Css("#U0ANN select")).await.unwrap();
    emoji.select_by_value(":palm_tree:").await.unwrap();

    until(&client, ANN, json!("Ann (on holiday)")).await;
    let steps = "return document.querySelector('#U0ANN [data-steps]').textContent.includes('users.setPhoto')";
    until(&client, steps, json!(true)).await;
    until(&client, ANNS_PHOTO, json!(512)).await;
    screenshot(&client, "demo-after").await;
    assert_eq!(client.execute("return window.problems", vec![]).await.unwrap(), json!([]));

    client.find(Locator::Css("#U0CLEO [data-consent] a")).await.unwrap().click().await.unwrap();
    let who = client.find(Locator::Css("select[name=user]")).await.unwrap();
    who.select_by_value("U0CLEO").await.unwrap();
    screenshot(&client, "consent").await;
    client.find(Locator::Css("button[value=allow]")).await.unwrap().click().await.unwrap();
    client.wait().for_element(Locator::XPath("//h1[text()='Done']")).await.unwrap();
    screenshot(&client, "consent-done").await;
    client.goto(&page).await.unwrap();
    let cleo = client.find(Locator::Css("#U0CLEO select")).await.unwrap();
    cleo.select_by_value(":palm_tree:").await.unwrap();
    until(&client, CLEO, json!("Cleo (on holiday)")).await;
    client.set_window_size(390, 900).await.unwrap();
    screenshot(&client, "demo-phone").await;
    client.close().await.unwrap();
}
