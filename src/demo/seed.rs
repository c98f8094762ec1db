//! Who lives in the demo's workspace, and which presets they keep.

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::UserId;

use super::pictures;

/// A member of the demo.
pub struct Resident {
    /// His id.
    pub id: &'static str,
    /// His name by birth.
    pub name: &'static str,
    /// Whether he has authorised the app when the demo begins.
    pub has_authorised: bool,
    /// Emoji (or `default`), name and picture's hue; none of either is left alone.
    pub presets: &'static [(&'static str, Option<&'static str>, Option<u16>)],
}

/// Everybody.
pub const RESIDENTS: [Resident; 3] = [
    Resident {
        id: "U0ANN",
        name: "Ann Archer",
        has_authorised: true,
        presets: &[
            ("default", Some("Ann Archer"), Some(210)),
            (":palm_tree:", Some("Ann (on holiday)"), Some(130)),
            (":fork_and_knife:", Some("Ann (at lunch)"), Some(30)),
            (":pager:", Some("Ann (on call)"), Some(0)),
        ],
    },
    Resident {
        id: "U0BEN",
        name: "Ben Baker",
        has_authorised: true,
        presets: &[
            ("default", Some("Ben Baker"), None),
            (":headphones:", Some("Ben (deep work)"), None),
            (":palm_tree:", None, Some(90)),
            (":wave:", Some("Ben says hello"), Some(280)),
        ],
    },
    Resident {
        id: "U0CLEO",
        name: "Cleo Carter",
        has_authorised: false,
        presets: &[
            ("default", Some("Cleo Carter"), Some(320)),
            (":palm_tree:", Some("Cleo (on holiday)"), Some(60)),
        ],
    },
];

/// Emoji that the page offers, with how they look.
pub const EMOJI: [(&str, &str); 7] = [
    ("", "no status"),
    (":palm_tree:", "🌴 palm_tree"),
    (":fork_and_knife:", "🍴 fork_and_knife"),
    (":pager:", "📟 pager"),
    (":headphones:", "🎧 headphones"),
    (":wave::skin-tone-3:", "👋🏼 wave, skin tone 3"),
    (":tada:", "🎉 tada (nobody has a preset)"),
];

impl Resident {
    /// His id, as the service has it.
    ///
    /// # Errors
    /// Never, for the members above.
    pub fn user(&self) -> anyhow::Result<UserId> {
        self.id.parse().context("a demo member's id")
    }
}

/// The picture of a hue in a member's folder.
pub fn picture(hue: u16) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &hue.to_be_bytes())
}

/// Writes `users.json` and the pictures into a store's folder.
///
/// # Errors
/// When the folder cannot be written.
pub fn furnish(store: &Path) -> anyhow::Result<()> {
    let mut users = json!({});
    for resident in &RESIDENTS {
        let folder = store.join(resident.id);
        std::fs::create_dir_all(&folder)?;
        for (key, name, hue) in resident.presets {
            let mut preset = json!({});
            if let Some(name) = name {
                preset["name"] = json!(name);
            }
            if let Some(hue) = hue {
                let file = format!("{}.png", picture(*hue));
                std::fs::write(folder.join(&file), pictures::square(*hue))?;
                preset["picture"] = Value::String(format!("file://{}", folder.join(&file).display()));
            }
            users[resident.id][*key] = preset;
        }
    }
    let text = json!({ "lastUpdatedAt": "1700000000", "users": users }).to_string();
    std::fs::write(store.join("users.json"), text)?;
    Ok(())
}
