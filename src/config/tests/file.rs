//! The file, and the example that ships.

use expect_test::expect;

use super::*;

/// The example with each of its settings switched on.
fn example() -> (Settings, Vec<Error>) {
    let text: Vec<_> = include_str!("../../../config.example.toml")
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if setting.starts_with(|c: char| c.is_ascii_lowercase()) => setting,
            _ => line,
        })
        .collect();
    crate::config::file::parse("config.example.toml", &text.join("\n"))
}

#[test]
fn every_fault_of_a_file_is_told_with_its_line() {
    check_file(
        "# a comment\nttl = \"soon\"\nzonez = [\"a\"]\ndata-dir = \"d\"\n\ndns = [\n  \"127.0.0.1:53\",\n  \"there\",\n]\n\
         verbose = \"1\"\ninsecure_no_auth = 1\nhttp = [\"127.0.0.1:80\"]\nzone = []\n[log]\nformat = \"json\"\n",
        expect![[r#"
            /callsign.toml:2: ttl: "soon" is no duration; write a whole number of seconds, or one with its unit, such as 500ms, 5s, 10m or 1h
            /callsign.toml:3: zonez: is no key; the keys are data_dir, dns, http, zone, zones, advertise, http_name, ttl, negative_ttl, guard, guard_for, keep_changes, keep_changes_for, max_udp_payload, udp_workers, token_file, insecure_no_auth, ports_file, log_format, verbose
            /callsign.toml:4: data-dir: is no key; keys have `_` where flags have `-`: write data_dir
            /callsign.toml:8: dns: "there" is no address with a port; write one such as 127.0.0.1:5300 or [::1]:5300
            /callsign.toml:10: verbose: is of type string; write a whole number without quotes instead
            /callsign.toml:11: insecure_no_auth: is of type integer; write true or false without quotes instead
            /callsign.toml:12: http: is an array; write a string instead
            /callsign.toml:13: zone: is an empty list; give at least one, or leave it out for svc.internal
            /callsign.toml:14: log: is no key; the keys are data_dir, dns, http, zone, zones, advertise, http_name, ttl, negative_ttl, guard, guard_for, keep_changes, keep_changes_for, max_udp_payload, udp_workers, token_file, insecure_no_auth, ports_file, log_format, verbose"#]],
    );
}

#[test]
fn a_file_that_is_no_toml_is_told_the_line() {
    check_file(
        "ttl = 5\ndns = [\n",
        expect!["/callsign.toml:2: is not TOML: unclosed array, expected `]`"],
    );
    check_file(
        "ttl = 5\nttl = 6\n",
        expect!["/callsign.toml:2: is not TOML: duplicate key"],
    );
}

#[test]
fn a_list_of_one_may_stand_without_brackets_and_a_number_in_any_base() {
    let loaded = load_from(
        &[],
        &[],
        Some("zone = \"a.internal\"\nmax_udp_payload = 0x4D0\nttl = 1_0\n"),
    )
    .expect("well");
    assert_eq!(loaded.config.zones[0].as_str(), "a.internal");
    assert_eq!(loaded.config.udp_payload_max, 1232);
    assert_eq!(loaded.config.base.ttl.seconds(), 10);
}

#[test]
fn the_example_shows_every_key_with_its_default() {
    let (settings, errors) = example();
    assert_eq!(errors, []);
    for key in Key::ALL {
        let given = settings
            .given(key)
            .unwrap_or_else(|| panic!("{} is not shown", key.in_file()));
        if let Some(default) = key.default_text() {
            assert_eq!(
                given.iter().map(|given| given.text.as_str()).collect::<Vec<_>>(),
                [default]
            );
        }
    }
}

#[test]
fn the_example_is_right_as_it_is_and_with_every_setting_switched_on() {
    let loaded = load_from(&[], &[], Some(include_str!("../../../config.example.toml"))).expect("well");
    assert_eq!(loaded.config, config(&[]));
    let (settings, _) = example();
    let (config, warnings) = meaning::meaning(&settings, NonZeroUsize::MIN).expect("well");
    assert_eq!(warnings, [""; 0]);
    assert_eq!(config.base.name_servers.len(), 2);
}
