//! The API's description against the service: its routes, and its answers to whatever a fuzzer makes of it.

use std::{collections::BTreeSet, process::Command};

use serde_json::{Value, json};
use statusinator::{http, presets};

use crate::{bulk, harness::Setup};

const DESCRIPTION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/openapi.json");
/// `scripts/test` installs it.
const FUZZER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/schemathesis/bin/schemathesis");

fn description() -> Value {
    serde_json::from_slice(&std::fs::read(DESCRIPTION).unwrap()).unwrap()
}

#[test]
fn the_description_has_every_route_and_no_other() {
    let description = description();
    let paths = description["paths"].as_object().unwrap().iter();
    let described: BTreeSet<_> = paths
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let served: BTreeSet<_> =
        http::listed().into_iter().map(|(method, path)| format!("{method} {path}")).collect();

    assert_eq!(described, served);
    assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
}

/// Runs the fuzzer; answers whether it found nothing, and what it says.
async fn fuzz(arguments: Vec<String>) -> (bool, String) {
    let ran = tokio::task::spawn_blocking(move || {
        Command::new(FUZZER).args(arguments).env("NO_COLOR", "1").current_dir(std::env::temp_dir()).output()
    });
    let output = ran.await.unwrap().expect("schemathesis, which scripts/test installs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[actix::test]
async fn no_answer_is_a_server_error_and_none_is_not_described() {
    let app = Setup::new().member("U1", json!({ ":a:": { "name": "A" } })).start().await;
    let token = app.boss().token;
    let arguments = [
        "run",
        DESCRIPTION,
        "--url",
        &app.base,
        "--header",
        &format!("Authorization: Bearer {token}"),
        "--checks",
        "all",
        // Nobody but Slack can sign an event, and a picture is more than bytes.
        "--exclude-checks",
        "positive_data_acceptance",
        "--phases",
        "examples,coverage,fuzzing",
        "--max-examples",
        "40",
        "--seed",
        "1",
        "--max-redirects",
        "1",
    ];

    let (found_nothing, said) = fuzz(arguments.map(str::to_owned).to_vec()).await;

    assert!(found_nothing, "{said}");
    let operations = format!("Tested: {}", http::listed().len());
    assert!(said.contains(&operations), "{said}");
    app.finish().await;
}

/// What Python's jsonschema, which comes with the fuzzer, says of documents: whether each keeps to the schema.
async fn keep_to(schema: &'static str, documents: &[Value]) -> Vec<bool> {
    const JUDGE: &str = "import json, sys, jsonschema_rs\n\
        schema, documents = (json.load(open(path)) for path in sys.argv[1:])\n\
        judge = jsonschema_rs.validator_for(schema)\n\
        print(json.dumps([judge.is_valid(document) for document in documents]))";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("documents.json");
    std::fs::write(&file, json!(documents).to_string()).unwrap();
    let schema = format!("{}/src/{schema}", env!("CARGO_MANIFEST_DIR"));
    let judged = tokio::task::spawn_blocking(move || {
        let python = FUZZER.replace("/schemathesis/bin/schemathesis", "/schemathesis/bin/python");
        Command::new(python).args(["-c", JUDGE, &schema]).arg(file).output()
    });
    let output = judged.await.unwrap().unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

#[actix::test]
async fn the_schemas_say_of_presets_what_the_service_says() {
    let link = |user: &str| format!("file:///srv/store/{user}/8c6976e5-b541-5d3c-9e3c-0d1b2f3a4b5c.png");
    let users = [
        json!({}),
        json!({ "U1": {} }),
        json!({ "U1": { "default": { "name": "Ann" }, ":a::skin-tone-2:": { "picture": link("U1") } } }),
        json!({ "U1": { ":a/b:": { "name": "é".repeat(80) } } }),
        json!([]),
        json!({ "bob": {} }),
        json!({ "U1": { "tada": { "name": "x" } } }),
        json!({ "U1": { ":a::skin-tone-1:": { "name": "x" } } }),
        json!({ "U1": { ":a:": {} } }),
        json!({ "U1": { ":a:": { "name": "x", "nick": "y" } } }),
        json!({ "U1": { ":a:": { "name": " " } } }),
        json!({ "U1": { ":a:": { "name": "x".repeat(81) } } }),
        json!({ "U1": { ":a:": { "name": null } } }),
        json!({ "U1": { ":a:": { "picture": "file:///etc/passwd" } } }),
    ];
    let says: Vec<bool> = users.iter().map(|users| presets::check(users, 80).is_ok()).collect();
    assert_eq!(says.iter().filter(|is_good| **is_good).count(), 4);

    let files = users.clone().map(|users| json!({ "lastUpdatedAt": "1700000000", "users": users }));
    assert_eq!(keep_to("storage/users.schema.json", &files).await, says);

    let example: Value = toml::from_str(bulk::block("toml")).unwrap();
    assert_eq!(keep_to("commands/onboard/presets.schema.json", &[example]).await, [true]);
    let mut local = json!({ "U1": { "default": { "name": "Ann", "picture": "pics/ann.jpg" } } });
    assert_eq!(keep_to("commands/onboard/presets.schema.json", &[local.clone()]).await, [true]);
    local["U1"]["default"]["picture"] = json!("");
    assert_eq!(keep_to("commands/onboard/presets.schema.json", &[local]).await, [false]);
}
