//! A real browser: Debian's Chromium without a window, driven over WebDriver.

use std::{
    fmt,
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fantoccini::{Client, ClientBuilder, Locator, elements::Element, wd::WebDriverCompatibleCommand};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

/// What finds flaws that keep people out; `scripts/test` installs it.
const AXE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/axe/node_modules/axe-core/axe.min.js");
/// A phone's width, in points.
const PHONE: u32 = 360;

/// A process that is ended with the test, and all that it started with it: a driver leaves its browser behind.
pub struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).process_group(0).spawn().expect("the program is installed");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// What stands behind this text in the first line that has it.
    pub fn told(&mut self, text: &str) -> String {
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
        let kill = format!("kill -s KILL -- -{}", self.child.id());
        let _ = Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What Chromium's driver can beyond WebDriver.
#[derive(Debug)]
struct Extension {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (hyper::Method, Option<String>) {
        (hyper::Method::POST, Some(self.body.to_string()))
    }
}

/// A browser with a new profile.
pub struct Browser {
    pub client: Client,
    _driver: Running,
    _profile: TempDir,
}

impl Browser {
    pub async fn open() -> Self {
        Self::new(true).await
    }

    /// One that runs no page's scripts; the tests' own it does.
    pub async fn open_without_scripts() -> Self {
        Self::new(false).await
    }

    async fn new(runs_scripts: bool) -> Self {
        let mut driver = Running::start(Command::new("chromedriver").arg("--port=0"));
        let port = driver.told("started successfully on port ");
        let profile = tempfile::tempdir().unwrap();
        let arguments = json!([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-quic",
            "--no-first-run",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,900",
            format!("--user-data-dir={}", profile.path().display()),
        ]);
        let setting = if runs_scripts { 1 } else { 2 };
        let prefs = json!({ "profile.managed_default_content_settings.javascript": setting });
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": "/usr/bin/chromium", "args": arguments, "prefs": prefs },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{}", port.trim_end_matches('.')))
            .await
            .unwrap();
        Self { client, _driver: driver, _profile: profile }
    }

    pub async fn close(self) {
        assert_eq!(self.complaints().await, Vec::<String>::new());
        self.client.close().await.unwrap();
    }

    pub async fn goto(&self, address: &str) {
        self.client.goto(address).await.unwrap();
    }

    /// The first element that a CSS selector finds, once there is one.
    pub async fn find(&self, selector: &str) -> Element {
        self.client.wait().for_element(Locator::Css(selector)).await.unwrap()
    }

    pub async fn click(&self, selector: &str) {
        self.find(selector).await.click().await.unwrap();
    }

    pub async fn run(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.unwrap()
    }

    /// What a CSS selector's first element says.
    pub async fn text(&self, selector: &str) -> String {
        self.find(selector).await.text().await.unwrap()
    }

    /// Waits until a script's value is this.
    pub async fn until(&self, script: &str, wanted: impl Into<Value> + fmt::Debug) {
        let wanted = wanted.into();
        let waited = tokio::time::timeout(Duration::from_secs(60), async {
            // While another page is loaded there is no value.
            while self.client.execute(script, vec![]).await.ok().as_ref() != Some(&wanted) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(waited.await.is_ok(), "{script} never became {wanted}: {}", self.run(script).await);
    }

    /// Says on the simulated Slack's page who one is, and allows what it asks for.
    pub async fn allow(&self, id: &str) {
        self.find("select[name=user]").await.select_by_value(id).await.unwrap();
        self.click("button[value=allow]").await;
    }

    /// A command of the browser's own protocol.
    async fn command(&self, cmd: &str, params: Value) -> Value {
        let body = json!({ "cmd": cmd, "params": params });
        self.client.issue_cmd(Extension { path: "goog/cdp/execute", body }).await.unwrap()
    }

    pub async fn set_dark(&self, is_dark: bool) {
        let scheme = if is_dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.command("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    pub async fn set_phone(&self, is_phone: bool) {
        let params = json!({ "width": PHONE, "height": 780, "deviceScaleFactor": 2, "mobile": true });
        match is_phone {
            true => self.command("Emulation.setDeviceMetricsOverride", params).await,
            false => self.command("Emulation.clearDeviceMetricsOverride", json!({})).await,
        };
    }

    /// What the browser complained of since it was last asked: errors of scripts, what a policy forbade, what failed.
    pub async fn complaints(&self) -> Vec<String> {
        let said = self.client.issue_cmd(Extension { path: "se/log", body: json!({ "type": "browser" }) });
        let said = said.await.unwrap();
        said.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    /// What keeps people out of the page, as axe finds it: the rule and where.
    pub async fn flaws(&self) -> Vec<String> {
        let axe = std::fs::read_to_string(AXE).expect("axe-core, which scripts/test installs");
        self.run(&axe).await;
        let ask = "const done = arguments[arguments.length - 1];\
            axe.run().then((found) => done([found.passes.length, found.violations.flatMap((flaw) =>\
                flaw.nodes.map((node) => `${flaw.id}: ${node.html} ${node.failureSummary}`))]), (error) => done([0, [`${error}`]]))";
        let found = self.client.execute_async(ask, vec![]).await.unwrap();
        assert!(found[0].as_u64().unwrap() > 3, "hardly anything was looked at: {found}");
        found[1].as_array().unwrap().iter().map(|flaw| flaw.as_str().unwrap().to_owned()).collect()
    }

    /// A picture of the whole page, for eyes.
    pub async fn screenshot(&self, name: &str) {
        let taken = self.command("Page.captureScreenshot", json!({ "captureBeyondViewport": true })).await;
        let png = STANDARD.decode(taken["data"].as_str().unwrap()).unwrap();
        std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png")), png).unwrap();
    }

    /// Looks at the page light and dark, wide and on a phone: nothing keeps people out, nothing is wider than a phone.
    pub async fn suits_everybody(&self, name: &str) {
        for (suffix, is_dark, is_phone) in
            [("", false, false), ("-dark", true, false), ("-phone", false, true), ("-phone-dark", true, true)]
        {
            self.set_dark(is_dark).await;
            self.set_phone(is_phone).await;
            self.screenshot(&format!("{name}{suffix}")).await;
            assert_eq!(self.flaws().await, Vec::<String>::new(), "{name}{suffix}");
            let beyond = "return document.documentElement.scrollWidth - window.innerWidth";
            assert!(self.run(beyond).await.as_i64().unwrap() <= 0, "{name}{suffix} scrolls sideways");
            let outside = "return [...document.querySelectorAll('.card *')].filter((it) => it.getBoundingClientRect().right >\
                it.closest('.card').getBoundingClientRect().right + 1).map((it) => it.outerHTML)";
            assert_eq!(self.run(outside).await, json!([]), "{name}{suffix}: beyond its card");
            let paper = self.run("return getComputedStyle(document.body).backgroundColor").await;
            let numbers = paper.as_str().unwrap().split(|c: char| !c.is_ascii_digit());
            let red: u32 = numbers.flat_map(str::parse).next().unwrap();
            assert_eq!(red < 128, is_dark, "{name}{suffix} has the paper {paper}");
        }
        self.set_dark(false).await;
        self.set_phone(false).await;
    }
}
