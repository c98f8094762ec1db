//! The two methods that change a profile, as strict as Slack's
//! (<https://docs.slack.dev/reference/methods/users.profile.set>,
//! <https://docs.slack.dev/reference/methods/users.setPhoto>).

use image::ImageFormat;
use serde_json::{Value, json};

use super::{
    web_api::{Answer, Authorised},
    workspace::Workspace,
};

/// `users.profile.set` of names.
pub(super) fn profile_set(workspace: &mut Workspace, call: &Authorised<'_>) -> Answer {
    user_token(workspace, call)?;
    let owner = call.grant.owner.clone();
    let target = match call.request.argument("user") {
        None => owner.clone(),
        Some(user) => user.parse().map_err(|_| "user_not_found")?,
    };
    if target != owner {
        may_change_others(workspace, call, &target)?;
    }
    let profile = match &call.request.json {
        Some(json) => json.get("profile").cloned(),
        None => call.request.argument("profile").and_then(|text| serde_json::from_str(&text).ok()),
    };
    let Some(Value::Object(fields)) =
        profile.filter(|profile| profile.as_object().is_some_and(|it| !it.is_empty()))
    else {
        return Err(fault(workspace, call, "invalid_profile"));
    };
    for (field, value) in &fields {
        let Some(text) = value.as_str() else { return Err(fault(workspace, call, "invalid_profile")) };
        let longest = match field.as_str() {
            "display_name" => 80,
            "real_name" => 50,
            _ => return Err(fault(workspace, call, "invalid_profile")),
        };
        if text.chars().count() > longest {
            return Err(fault(workspace, call, "profile_set_failed"));
        }
        if text.contains("://") {
            return Err("name_not_allowed".into());
        }
        if text.starts_with('@') {
            return Err("invalid_starts_with_at".into());
        }
    }
    let person = workspace.people.get_mut(&target).ok_or("user_not_found")?;
    for (field, value) in &fields {
        let text = value.as_str().unwrap_or_default().to_owned();
        if field == "display_name" { person.display_name = text } else { person.real_name = text }
    }
    let answer = json!({ "ok": true, "username": person.name, "profile": person.profile() });
    workspace.changed(&target, call.unix_now);
    Ok(answer)
}

/// Only an administrator on a paid plan changes others, and only those below him.
fn may_change_others(
    workspace: &Workspace,
    call: &Authorised<'_>,
    target: &crate::domain::UserId,
) -> Result<(), String> {
    if !workspace.paid_plan {
        return Err("invalid_user".into());
    }
    let rank =
        |user| workspace.people.get(user).map_or(0, |it| u8::from(it.is_admin) + 2 * u8::from(it.is_owner));
    match (rank(&call.grant.owner), rank(target)) {
        (0, _) => Err("not_admin".into()),
        (owner, target) if owner <= target => Err("cannot_update_admin_user".into()),
        _ => Ok(()),
    }
}

/// `users.setPhoto` of the token's owner.
pub(super) fn set_photo(workspace: &mut Workspace, call: &Authorised<'_>) -> Answer {
    user_token(workspace, call)?;
    let Some(file) =
        call.request.file.as_ref().filter(|file| file.name == "image" && file.file_name.is_some())
    else {
        return Err(fault(workspace, call, "no_image_part"));
    };
    let format = image::guess_format(&file.bytes).ok();
    let wanted = match format {
        Some(ImageFormat::Png) => Some("image/png"),
        Some(ImageFormat::Jpeg) => Some("image/jpeg"),
        Some(ImageFormat::Gif) => Some("image/gif"),
        _ => None,
    };
    if wanted.is_none() || file.content_type.as_deref() != wanted {
        return Err(fault(workspace, call, "bad_image"));
    }
    let Ok(image) = image::load_from_memory(&file.bytes) else {
        return Err(fault(workspace, call, "bad_image"));
    };
    let is_animated = wanted == Some("image/gif") && frames(&file.bytes) > 1;
    if is_animated {
        return Err(fault(workspace, call, "too_many_frames"));
    }
    let (width, height) = (image.width(), image.height());
    if width != height || !(512..=1024).contains(&width) {
        return Err(fault(workspace, call, "too_large"));
    }
    let (owner, bytes) = (call.grant.owner.clone(), file.bytes.clone());
    let hash = workspace.set_photo(&owner, bytes, call.unix_now);
    let profile = workspace.people.get(&owner).map(super::workspace::Person::profile);
    Ok(json!({ "ok": true, "profile": profile.unwrap_or_else(|| json!({ "avatar_hash": hash })) }))
}

fn frames(bytes: &bytes::Bytes) -> usize {
    use image::AnimationDecoder as _;
    let decoder = image::codecs::gif::GifDecoder::new(std::io::Cursor::new(bytes));
    decoder.map_or(0, |decoder| decoder.into_frames().take(2).count())
}

fn user_token(workspace: &mut Workspace, call: &Authorised<'_>) -> Result<(), String> {
    if call.grant.is_bot {
        return Err(fault(workspace, call, "not_allowed_token_type"));
    }
    workspace.need_scope(call, "users.profile:write")
}

/// The caller's own fault.
fn fault(workspace: &mut Workspace, call: &Authorised<'_>, code: &str) -> String {
    workspace.violations.push(format!("{}: {code}", call.request.method));
    code.to_owned()
}
