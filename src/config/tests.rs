//! Where a setting comes from, and which source counts.

mod file;
mod values;

use std::collections::HashMap;

use expect_test::{Expect, expect};

use super::*;

/// What flags, variables and a file (each `key value` or a variable) mean on a machine with two cores.
fn load_from(
    flags: &[(Key, &str)],
    variables: &[(&str, &str)],
    file: Option<&str>,
) -> Result<Loaded, String> {
    let mut settings = Settings::default();
    for (key, text) in flags {
        settings.flag(*key, [(*text).to_owned()]);
    }
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("callsign.toml");
    if let Some(text) = file {
        std::fs::write(&path, text).expect("a file");
    }
    let cores = NonZeroUsize::new(2).expect("two");
    let read = |name: &str| variables.get(name).map(OsString::from);
    load(settings, file.map(|_| path.as_path()), &read, cores).map_err(|error| {
        error
            .to_string()
            .replace(folder.path().to_str().expect("UTF-8"), "")
    })
}

fn config(flags: &[(Key, &str)]) -> Config {
    load_from(flags, &[], None).expect("a configuration").config
}

fn check_errors(flags: &[(Key, &str)], expected: Expect) {
    expected.assert_eq(&load_from(flags, &[], None).expect_err("an error"));
}

fn check_variables(variables: &[(&str, &str)], expected: Expect) {
    expected.assert_eq(&load_from(&[], variables, None).expect_err("an error"));
}

fn check_file(text: &str, expected: Expect) {
    expected.assert_eq(&load_from(&[], &[], Some(text)).expect_err("an error"));
}

fn warnings(flags: &[(Key, &str)]) -> Vec<String> {
    load_from(flags, &[], None).expect("a configuration").warnings
}

#[test]
fn the_defaults_are_the_contracts() {
    expect![[r#"
        Loaded {
            config: Config {
                data_dir: "callsign-data",
                dns: [
                    127.0.0.1:5300,
                ],
                http: 127.0.0.1:8053,
                zones: [
                    "svc.internal",
                ],
                zone_files: None,
                base: Base {
                    ttl: Ttl(
                        5,
                    ),
                    negative_ttl: Ttl(
                        1,
                    ),
                    name_servers: [
                        127.0.0.1,
                    ],
                },
                http_names: [],
                guard: Guarding {
                    scope: Zone,
                    hold_max: 600s,
                },
                keep: Keep {
                    changes: 100000,
                    age: 604800s,
                },
                udp_payload_max: 1232,
                udp_workers: 2,
                token_file: None,
                ports_file: None,
                log: Log {
                    format: Text,
                    level: Info,
                },
            },
            warnings: [],
        }
    "#]]
    .assert_debug_eq(&load_from(&[], &[], None).expect("the defaults"));
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file() {
    let file = Some("ttl = 30\nnegative_ttl = \"3s\"\nzone = [\"file.internal\"]\nverbose = 1");
    let variables = [
        ("CALLSIGN_TTL", "20"),
        ("CALLSIGN_ZONE", "one.internal, two.internal"),
    ];
    let loaded = load_from(&[(Key::Ttl, "10s")], &variables, file)
        .expect("well")
        .config;
    assert_eq!(loaded.base.ttl.seconds(), 10);
    assert_eq!(loaded.base.negative_ttl.seconds(), 3);
    assert_eq!(
        loaded.zones.iter().map(ZoneName::as_str).collect::<Vec<_>>(),
        ["one.internal", "two.internal"],
        "a list replaces the one from below"
    );
    assert_eq!(loaded.log.level, LogLevel::Debug);
    let loaded = load_from(&[], &variables, file).expect("well").config;
    assert_eq!(loaded.base.ttl.seconds(), 20);
    let loaded = load_from(&[], &[], file).expect("well").config;
    assert_eq!((loaded.base.ttl.seconds(), loaded.zones.len()), (30, 1));
}

#[test]
fn what_a_flag_overrides_is_not_judged() {
    let loaded = load_from(&[(Key::Ttl, "10s")], &[("CALLSIGN_TTL", "soon")], None).expect("well");
    assert_eq!(loaded.config.base.ttl.seconds(), 10);
}

#[test]
fn an_empty_variable_counts_as_unset_and_a_foreign_one_is_left_alone() {
    let variables = [
        ("CALLSIGN_TTL", ""),
        ("CALLSIGN_DNS", ""),
        ("CALLSIGN_CONFIG", ""),
        ("CALLSIGN_SERVICE_HOST", "192.0.2.1"),
        ("CALLSIGN_PORT", "tcp://192.0.2.1:53"),
    ];
    assert_eq!(load_from(&[], &variables, None), load_from(&[], &[], None));
}

#[test]
fn the_environment_can_name_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("callsign.toml");
    std::fs::write(&path, "ttl = 7").expect("a file");
    let cores = NonZeroUsize::MIN;
    let read = |name: &str| (name == "CALLSIGN_CONFIG").then(|| path.clone().into_os_string());
    let loaded = load(Settings::default(), None, &read, cores).expect("well");
    assert_eq!(loaded.config.base.ttl.seconds(), 7);
    let missing = Path::new("no-such-folder/callsign.toml");
    let error = load(Settings::default(), Some(missing), &read, cores).expect_err("it is missing");
    assert!(
        matches!(error, LoadError::Unreadable(_)),
        "the flag beats the variable: {error}"
    );
}

#[test]
fn every_variable_is_read() {
    let variables = [
        ("CALLSIGN_DATA_DIR", "d"),
        ("CALLSIGN_DNS", "192.0.2.1:53,[2001:db8::1]:53"),
        ("CALLSIGN_HTTP", "[::1]:80"),
        ("CALLSIGN_ZONE", "a.internal,b.internal"),
        ("CALLSIGN_ZONES", "z"),
        ("CALLSIGN_ADVERTISE", "192.0.2.9,192.0.2.8,192.0.2.9"),
        ("CALLSIGN_HTTP_NAME", "Callsign.Example.ORG,other"),
        ("CALLSIGN_TTL", "1m"),
        ("CALLSIGN_NEGATIVE_TTL", "2000ms"),
        ("CALLSIGN_GUARD", "service"),
        ("CALLSIGN_GUARD_FOR", "90s"),
        ("CALLSIGN_KEEP_CHANGES", "7"),
        ("CALLSIGN_KEEP_CHANGES_FOR", "24h"),
        ("CALLSIGN_MAX_UDP_PAYLOAD", "512"),
        ("CALLSIGN_UDP_WORKERS", "3"),
        ("CALLSIGN_TOKEN_FILE", "src/config/tests/tokens"),
        ("CALLSIGN_INSECURE_NO_AUTH", "0"),
        ("CALLSIGN_PORTS_FILE", "p"),
        ("CALLSIGN_LOG_FORMAT", "json"),
        ("CALLSIGN_VERBOSE", "2"),
    ];
    let named: Vec<_> = variables.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(named, Key::ALL.map(Key::variable), "each has its line above");
    expect![[r#"
        Config {
            data_dir: "d",
            dns: [
                192.0.2.1:53,
                [2001:db8::1]:53,
            ],
            http: [::1]:80,
            zones: [
                "a.internal",
                "b.internal",
            ],
            zone_files: Some(
                "z",
            ),
            base: Base {
                ttl: Ttl(
                    60,
                ),
                negative_ttl: Ttl(
                    2,
                ),
                name_servers: [
                    192.0.2.8,
                    192.0.2.9,
                ],
            },
            http_names: [
                HostName(
                    "callsign.example.org",
                ),
                HostName(
                    "other",
                ),
            ],
            guard: Guarding {
                scope: Service,
                hold_max: 90s,
            },
            keep: Keep {
                changes: 7,
                age: 86400s,
            },
            udp_payload_max: 512,
            udp_workers: 3,
            token_file: Some(
                "src/config/tests/tokens",
            ),
            ports_file: Some(
                "p",
            ),
            log: Log {
                format: Json,
                level: Trace,
            },
        }
    "#]]
    .assert_debug_eq(&load_from(&[], &variables, None).expect("well").config);
}
