//! The scenario that `demo --once` plays in the terminal.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::time::Instant;

use crate::domain::UserId;

use super::{
    Effect, Fault, pictures,
    seed::{RESIDENTS, Resident},
    stage::Stage,
};

/// How long a profile may take to become what its preset says.
const AT_MOST: Duration = Duration::from_secs(30);

/// What happens, in its order.
enum Step {
    /// A member sets his status, and his profile follows his preset of this key.
    Status(&'static str, &'static str, &'static str),
    /// A member who has not authorised sets his status, and nothing changes.
    Nothing(&'static str, &'static str),
    /// A member authorises, and his profile follows his preset of this key.
    Authorise(&'static str, &'static str),
    /// The next call of a method fails.
    Fail(&'static str, Effect, &'static str),
}

fn steps() -> Vec<Step> {
    use Step::{Authorise, Fail, Nothing, Status};
    vec![
        Authorise("U0ANN", "default"),
        Authorise("U0BEN", "default"),
        Status("U0ANN", ":palm_tree:", ":palm_tree:"),
        Status("U0BEN", ":headphones:", ":headphones:"),
        Status("U0BEN", ":wave::skin-tone-3:", ":wave:"),
        Nothing("U0CLEO", ":palm_tree:"),
        Authorise("U0CLEO", ":palm_tree:"),
        Fail("users.setPhoto", Effect::Status(503), "Slack answers the next picture with 503"),
        Status("U0ANN", ":fork_and_knife:", ":fork_and_knife:"),
        Fail("users.profile.set", Effect::LostAnswer, "Slack's next answer to a name is lost"),
        Status("U0ANN", ":pager:", ":pager:"),
        Fail("users.profile.get", Effect::RateLimited(Some(2)), "Slack says ratelimited for 2 s"),
        Status("U0ANN", "", "default"),
    ]
}

/// Plays the scenario and prints what changed and how long it took.
///
/// # Errors
/// When a profile did not end as its preset says, or a call was made that real Slack would have refused.
pub async fn play(stage: &Stage) -> anyhow::Result<()> {
    println!("{:<44} {:<20} {:<8} {:>9}", "what happens", "name", "picture", "took");
    for step in steps() {
        let began = Instant::now();
        match step {
            Step::Fail(method, effect, what) => {
                stage.slack.inject(Fault::next(method, 1, effect));
                println!("{what}");
            }
            Step::Nothing(id, emoji) => {
                let (resident, user) = resident(id)?;
                let before = stage.slack.count("users.profile.get");
                stage.slack.set_status(&user, emoji, "", 0);
                until(|| stage.slack.count("users.profile.get") > before)
                    .await
                    .context("the status was not read")?;
                row(stage, &format!("{} sets {emoji}, not authorised", resident.name), &user, began);
            }
            Step::Status(id, emoji, key) => {
                let (resident, user) = resident(id)?;
                stage.slack.set_status(&user, emoji, "", 0);
                follows(stage, resident, &user, key).await?;
                let what =
                    if emoji.is_empty() { "clears the status".to_owned() } else { format!("sets {emoji}") };
                row(stage, &format!("{} {what}", resident.name), &user, began);
            }
            Step::Authorise(id, key) => {
                let (resident, user) = resident(id)?;
                stage.authorise(&user).await?;
                follows(stage, resident, &user, key).await?;
                row(stage, &format!("{} authorises", resident.name), &user, began);
            }
        }
    }
    let violations = stage.slack.violations();
    ensure!(violations.is_empty(), "real slack would have refused: {violations:?}");
    println!(
        "\nEvery profile is as its preset says. {} calls of Slack, none that it would refuse.",
        stage.slack.calls().len()
    );
    Ok(())
}

fn row(stage: &Stage, what: &str, user: &UserId, began: Instant) {
    let has_picture = if stage.slack.photo(user).is_some() { "his own" } else { "none" };
    let took = began.elapsed().as_millis();
    println!("{what:<44} {:<20} {has_picture:<8} {took:>6} ms", stage.slack.name(user));
}

fn resident(id: &str) -> anyhow::Result<(&'static Resident, UserId)> {
    let resident = RESIDENTS.iter().find(|resident| resident.id == id).context("a member of the scenario")?;
    Ok((resident, resident.user()?))
}

/// Waits until the profile is what the preset says.
async fn follows(stage: &Stage, resident: &Resident, user: &UserId, key: &str) -> anyhow::Result<()> {
    let (_, name, hue) =
        resident.presets.iter().find(|(known, ..)| *known == key).context("a preset of the scenario")?;
    let picture = hue.map(pictures::square);
    let is_so = || {
        let name_is_so = name.is_none_or(|name| stage.slack.name(user) == name);
        name_is_so && (picture.is_none() || stage.slack.photo(user) == picture)
    };
    until(is_so)
        .await
        .with_context(|| format!("the profile of {} did not become what {key} says", resident.name))
}

async fn until(is_so: impl Fn() -> bool) -> anyhow::Result<()> {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    Ok(tokio::time::timeout(AT_MOST, waiting).await?)
}
