//! What the service finds when it starts: presets, pictures, settings; and how its stores fail.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use statusinator::{
    config::{ClientConfig, Config, ExportConfig, LogConfig, LogFormat, NameField, SlackConfig, StoreConfig},
    slack::Token,
    storage::{Key, Storage as _, StoreFault},
};

use super::world::World;
use crate::truth::{HUES, picture, square};

impl World {
    pub async fn furnish(&mut self) {
        for member in self.truth.members.clone() {
            for hue in HUES {
                let (key, _) = picture(&member, hue);
                self.store.put(&key, square(hue), None).await.expect("no fault yet");
            }
            self.truth.choose_presets(&member, &mut self.rng);
        }
        self.write_users().await;
        self.let_stores_fail();
    }

    /// From now on the store and the state folder fail as often as `store_faults` says.
    fn let_stores_fail(&mut self) {
        let (counts, rate) = (self.counts.clone(), self.store_faults.clone());
        let rng = RefCell::new(SmallRng::seed_from_u64(self.rng.random()));
        let fault = Rc::new(move || {
            let mut rng = rng.borrow_mut();
            if !rng.random_bool(rate.get()) {
                return None;
            }
            let (kind, fault) = match rng.random_range(0..10) {
                0 => ("store panics", StoreFault::Panic),
                1..5 => ("store answer lost", StoreFault::After),
                _ => ("store error", StoreFault::Before),
            };
            *counts.borrow_mut().entry(kind).or_default() += 1;
            Some(fault)
        });
        for storage in [&self.store, &self.state] {
            let fault = fault.clone();
            storage.fail_when(move |_, _| fault());
        }
    }

    /// An administrator writes until it is written.
    pub async fn write_users(&mut self) {
        let rate = self.store_faults.replace(0.0);
        let text = self.truth.users_json();
        self.store.put(&Key::users(), text.into(), None).await.expect("no fault now");
        self.store_faults.set(rate);
    }

    pub fn config(&self) -> Config {
        Config {
            bind: "127.0.0.1:0".parse().expect("an address"),
            public_url: "http://127.0.0.1:1".parse().ok(),
            data_dir: "/nowhere".into(),
            store: StoreConfig::Folder("/nowhere".into()),
            slack: SlackConfig {
                api_url: "http://127.0.0.1:1/".parse().expect("an address"),
                signing_secret: "secret".into(),
                bot_token: self.bot.clone(),
                admin_token: self.truth.admin.clone(),
                client: Some(ClientConfig { id: "1".into(), secret: Token::new("2") }),
                name_field: NameField::DisplayName,
            },
            vault_keys: Vec::new(),
            queue: self.queue,
            reconcile_interval: self.interval,
            log: LogConfig { level: slog::Level::Debug, format: LogFormat::Json },
            metrics_disabled: BTreeSet::new(),
            export: ExportConfig {
                interval: Duration::from_secs(3_600),
                retention: None,
                disk_limit: 1 << 26,
            },
            drain_timeout: Duration::from_secs(25),
        }
    }
}
