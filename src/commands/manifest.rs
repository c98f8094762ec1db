//! `statusinator manifest`: the Slack app's manifest (<https://docs.slack.dev/reference/app-manifest>).

use url::{Url, form_urlencoded};

use crate::http::oauth::USER_SCOPE;

/// What the bot token may: read profiles, list members.
pub const BOT_SCOPES: [&str; 2] = ["users:read", "users.profile:read"];
/// What Slack tells the service of.
const BOT_EVENTS: [&str; 3] = ["user_change", "tokens_revoked", "app_uninstalled"];
/// Where a browser creates an app from a manifest.
const NEW_APP: &str = "https://api.slack.com/apps?new_app=1&manifest_yaml=";

/// The manifest of a service at that address, as YAML. Its first line is a comment: the link that creates the app.
pub fn manifest(public: &Url) -> String {
    let yaml = yaml(public);
    format!("# {}\n{yaml}", link(&yaml))
}

fn link(yaml: &str) -> String {
    let encoded: String = form_urlencoded::byte_serialize(yaml.as_bytes()).collect();
    // A blank is `%20` for every reader, a plus only for those of forms.
    format!("{NEW_APP}{}", encoded.replace('+', "%20"))
}

fn yaml(public: &Url) -> String {
    let at = |path: &str| quoted(&format!("{}/{path}", public.as_str().trim_end_matches('/')));
    format!(
        "\
_metadata:
  major_version: 2
display_information:
  name: Statusinator
  description: Sets your name and picture to the pair that you keep for your status emoji
features:
  bot_user:
    display_name: Statusinator
    always_online: true
oauth_config:
  redirect_urls:
    - {installed}
    - {signed_in}
  scopes:
    bot: [{bot}]
    user: [{user}]
settings:
  event_subscriptions:
    request_url: {events}
    bot_events: [{bot_events}]
  org_deploy_enabled: false
  socket_mode_enabled: false
  token_rotation_enabled: false
",
        installed = at("slack/oauth/callback"),
        signed_in = at("signin/callback"),
        events = at("slack/events"),
        bot = BOT_SCOPES.map(quoted).join(", "),
        user = quoted(USER_SCOPE),
        bot_events = BOT_EVENTS.join(", "),
    )
}

/// A JSON string is a YAML string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(url: &str) -> (String, Value) {
        let text = manifest(&url.parse().unwrap());
        let value = serde_norway::from_str(&text).unwrap();
        (text, value)
    }

    #[test]
    fn it_names_the_services_addresses_events_and_scopes_and_no_others() {
        let (_, manifest) = of("https://status.example.org/team");

        assert_eq!(
            manifest["settings"]["event_subscriptions"],
            json!({
                "request_url": "https://status.example.org/team/slack/events",
                "bot_events": ["user_change", "tokens_revoked", "app_uninstalled"],
            })
        );
        assert_eq!(
            manifest["oauth_config"],
            json!({
                "redirect_urls": [
                    "https://status.example.org/team/slack/oauth/callback",
                    "https://status.example.org/team/signin/callback",
                ],
                "scopes": {
                    "bot": ["users:read", "users.profile:read"],
                    "user": ["users.profile:write"],
                },
            })
        );
        assert_eq!(manifest["settings"]["token_rotation_enabled"], false);
    }

    #[test]
    fn its_first_line_is_a_link_that_carries_the_whole_of_it() {
        let (text, manifest) = of("https://status.example.org");
        let (first, rest) = text.split_once('\n').unwrap();

        let link = Url::parse(first.strip_prefix("# ").unwrap()).unwrap();

        assert_eq!((link.host_str(), link.path()), (Some("api.slack.com"), "/apps"));
        let carried: Vec<_> = link.query_pairs().collect();
        assert_eq!(carried[0], ("new_app".into(), "1".into()));
        assert_eq!(carried[1], ("manifest_yaml".into(), rest.into()));
        assert_eq!(serde_norway::from_str::<Value>(&carried[1].1).unwrap(), manifest);
        assert!(!first.contains('+'), "{first}");
    }

    #[test]
    fn it_keeps_slacks_limits() {
        let (_, manifest) = of("https://status.example.org");
        let length = |pointer: &str| manifest.pointer(pointer).unwrap().as_str().unwrap().chars().count();

        assert!(length("/display_information/name") <= 35);
        assert!(length("/display_information/description") <= 140);
        assert!(length("/features/bot_user/display_name") <= 80);
    }
}
