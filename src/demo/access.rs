//! Methods about who may do what, as strict as Slack's
//! (<https://docs.slack.dev/reference/methods/admin.users.list>,
//! <https://docs.slack.dev/reference/methods/auth.revoke>).

use serde_json::{Value, json};

use super::{
    web_api::{Answer, Authorised},
    workspace::{Person, Workspace},
};

const ADMIN_SCOPE: &str = "admin.users:read";

/// `admin.users.list`: the active members, for an administrator's token on Enterprise.
pub(super) fn users_list(workspace: &mut Workspace, call: &Authorised<'_>) -> Answer {
    if call.grant.is_bot {
        return Err(fault(workspace, call, "not_allowed_token_type"));
    }
    if !workspace.enterprise {
        return Err("feature_not_enabled".into());
    }
    workspace.need_scope(call, ADMIN_SCOPE)?;
    if call.request.argument("team_id").is_some_and(|team| team != workspace.team) {
        return Err("team_not_found".into());
    }
    let limit = call.request.argument("limit").map_or(Some(100), |text| text.parse::<usize>().ok());
    let Some(limit) = limit.filter(|limit| (1..=100).contains(limit)) else {
        return Err(fault(workspace, call, "invalid_arguments"));
    };
    let active: Vec<&Person> = workspace.people.values().filter(|person| !person.deleted).collect();
    let from = match call.request.argument("cursor").as_deref() {
        None | Some("") => 0,
        Some(cursor) => {
            let n = cursor.strip_prefix("after-").and_then(|n| n.parse::<usize>().ok());
            n.filter(|n| *n < active.len()).ok_or("invalid_cursor")?
        }
    };
    let users: Vec<Value> =
        active.iter().skip(from).take(limit).map(|it| administered(it, &workspace.team)).collect();
    let next = from + users.len();
    let cursor = if next < active.len() { format!("after-{next}") } else { String::new() };
    Ok(json!({ "ok": true, "users": users, "response_metadata": { "next_cursor": cursor } }))
}

fn administered(person: &Person, team: &str) -> Value {
    json!({ "id": person.id.as_str(), "email": "somebody@simulated.invalid", "username": person.name,
        "full_name": person.real_name, "is_admin": person.is_admin, "is_owner": person.is_owner,
        "is_primary_owner": false, "is_restricted": false, "is_ultra_restricted": false, "is_bot": person.is_bot,
        "is_active": true, "date_created": 1_700_000_000, "deactivated_ts": 0, "expiration_ts": 0,
        "workspaces": [team] })
}

/// `auth.revoke`: this token dies, unless it is only a test.
pub(super) fn revoke(workspace: &mut Workspace, call: &Authorised<'_>) -> Answer {
    if call.grant.is_bot {
        // Real Slack removes the bot from the workspace: never what the caller meant.
        return Err(fault(workspace, call, "not_bearer_token"));
    }
    if call.request.argument("test").as_deref() == Some("1") {
        return Ok(json!({ "ok": true, "revoked": false }));
    }
    if let Some(grant) = workspace.grants.get_mut(call.token) {
        grant.dead = Some("token_revoked");
    }
    workspace.announce_revoked(std::slice::from_ref(&call.grant.owner), call.unix_now);
    Ok(json!({ "ok": true, "revoked": true }))
}

/// The caller's own fault.
fn fault(workspace: &mut Workspace, call: &Authorised<'_>, code: &str) -> String {
    workspace.violations.push(format!("{}: {code}", call.request.method));
    code.to_owned()
}
