//! A simulated Slack for a service that runs in another process, such as the one before a deployed store.
//!
//! `simulated_slack http://127.0.0.1:3000` delivers events to that service and prints, as one JSON object, what it must
//! be set to. The demo's page changes statuses and shows names and pictures; Ann is an owner of the workspace. It ends
//! when its standard input does.

use std::io::{Read as _, Write as _};

use anyhow::Context as _;
use serde_json::json;
use statusinator::{
    clock::Clock,
    demo::{
        Delivery, Server, SimulatedSlack,
        page::{self, Watch},
        seed::RESIDENTS,
    },
};
use uuid::Uuid;

#[actix::main]
async fn main() -> anyhow::Result<()> {
    let service = std::env::args().nth(1).context("usage: simulated_slack ADDRESS-OF-THE-SERVICE")?;
    let slack = SimulatedSlack::new("T0DEMO", false, Clock::System);
    let owner = RESIDENTS[0].user()?;
    let admin_token = {
        let mut workspace = slack.lock();
        for resident in &RESIDENTS {
            workspace.add(&resident.user()?, resident.name);
        }
        workspace.app.redirect_urls = vec![format!("{service}/slack/oauth/callback")];
        workspace.people.get_mut(&owner).context("the owner")?.is_owner = true;
        workspace.grant(&owner, false, &[])
    };
    let signing_secret = Uuid::new_v4().to_string();
    let server = Server::start(&slack, page::routes(&Watch::default()))?;
    actix::spawn(Delivery::to(format!("{service}/slack/events"), signing_secret.as_str()).run(slack.clone()));
    let app = slack.lock().app.clone();
    println!(
        "{}",
        json!({
            "page": format!("http://{}", server.address),
            "api_url": server.api_url(),
            "signing_secret": signing_secret,
            "bot_token": slack.bot_token(),
            "client_id": app.client_id,
            "client_secret": app.client_secret,
            "administrator": owner.as_str(),
            "administrators_token": admin_token,
        })
    );
    std::io::stdout().flush()?;
    actix_web::web::block(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    server.stop().await;
    Ok(())
}
