//! Flags, help, exit codes of usage, `serve`'s settings and `check-config`.

use std::collections::BTreeSet;

use clap::{ArgAction, Args as _, CommandFactory};
use expect_test::expect;

use crate::cli::serve::Serve;
use crate::config::{Key, Kind};

use super::*;

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn every_setting_is_a_flag_of_serve_with_its_default_in_the_help() {
    let serve = Serve::augment_args(clap::Command::new("serve"));
    let flags: BTreeSet<_> = serve
        .get_arguments()
        .filter_map(|argument| argument.get_long())
        .filter(|long| !["config", "help"].contains(long))
        .collect();
    assert_eq!(flags, Key::ALL.map(Key::flag).into_iter().collect());
    for argument in serve.get_arguments() {
        let Some(key) = Key::ALL
            .into_iter()
            .find(|key| Some(key.flag()) == argument.get_long())
        else {
            continue;
        };
        let is_list = matches!(argument.get_action(), ArgAction::Append);
        assert_eq!(is_list, key.kind() == Kind::List, "{key:?}");
        if matches!(argument.get_action(), ArgAction::Set | ArgAction::Append) {
            let help = argument.get_help().expect("a help text").to_string();
            let default = key.default_text().map(|default| format!("[default: {default}]"));
            assert!(help.contains(&default.unwrap_or_default()), "{key:?}: {help}");
        }
    }
}

#[test]
fn every_command_has_a_line_and_every_flag_a_help() {
    for command in Cli::command().get_subcommands() {
        let about = command.get_about().expect("a line").to_string();
        assert!(about.len() <= 60, "{about}");
        for argument in command.get_arguments() {
            assert!(
                argument.get_help().is_some(),
                "{} {}",
                command.get_name(),
                argument.get_id()
            );
        }
    }
}

/// The help of the program and of each command, in one text.
fn all_help() -> String {
    let mut root = Cli::command();
    root.build();
    let mut help = root.render_long_help().to_string();
    for command in root.get_subcommands_mut() {
        help.push_str(&command.render_long_help().to_string());
        for command in command.get_subcommands_mut() {
            help.push_str(&command.render_long_help().to_string());
        }
    }
    help
}

#[test]
fn the_help_names_only_flags_commands_and_variables_that_exist() {
    let root = Cli::command();
    let mut flags: BTreeSet<String> = ["--help", "--version"].map(str::to_owned).into();
    let commands = root.get_subcommands();
    // A command may have commands of its own.
    for command in commands.flat_map(|command| std::iter::once(command).chain(command.get_subcommands())) {
        flags.extend(
            command
                .get_arguments()
                .filter_map(|argument| argument.get_long())
                .map(|long| format!("--{long}")),
        );
    }
    let mut variables: BTreeSet<String> = Key::ALL.map(Key::variable).into();
    variables.extend(["CALLSIGN_CONFIG", "CALLSIGN_SERVER", "CALLSIGN_TOKEN"].map(str::to_owned));
    let help = all_help();
    let words = help.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'));
    for word in words {
        if word.starts_with("--") && word.len() > 2 {
            assert!(flags.contains(word), "{word}");
        }
        if word.starts_with("CALLSIGN_") && word != "CALLSIGN_" {
            assert!(variables.contains(word), "{word}");
        }
    }
    assert!(!help.contains("explain"), "explain does not exist yet");
}

#[test]
fn wrong_usage_exits_with_2_and_help_with_0() {
    for words in [
        &["register", "web", "web-1"][..],
        &["register", "web", "web-1", "--address", "there"],
        &[
            "register",
            "web",
            "web-1",
            "--address",
            "192.0.2.1",
            "--port",
            "http",
        ],
        &["health", "web", "web-1", "fine"],
        &["drain", "web", "web-1", "--undo", "--delete-after", "5s"],
        &["set-service", "web", "--unset", "negative-ttl"],
        &["set-service", "web", "--ttl", "5s", "--unset", "ttl"],
        &["set-zone", "svc.internal", "--zone", "svc.internal"],
        &["serve", "--guard", "sometimes"],
        &["serve", "--guard-for", "0s"],
        &["guard"],
        &["guard", "x"],
        &["watch", "--after", "1", "--snapshot"],
        &["watch", "--after", "now"],
        &[],
        &["query"],
        &["query", "web.svc.internal", "BANANA"],
        &["services", "--server", "127.0.0.1:8053"],
        &["services", "--token", "a b"],
    ] {
        assert_eq!(run(words).code, 2, "{words:?}: {}", run(words).error);
    }
    for words in [
        &["--help"][..],
        &["--version"],
        &["help", "serve"],
        &["register", "--help"],
    ] {
        assert_eq!(run(words).code, 0, "{words:?}");
    }
}

#[test]
fn https_is_told_that_only_http_is_spoken() {
    let ran = run(&["services", "--server", "https://callsign.example.org"]);
    expect![[r#""https://callsign.example.org" asks for https, but the API speaks plain http only; write one such as http://127.0.0.1:8053 (--server, CALLSIGN_SERVER)"#]].assert_eq(&ran.error);
    assert_eq!(ran.code, 2);
}

#[test]
fn serve_is_told_every_wrong_setting_of_every_source() {
    let words = [
        "serve",
        "--dns",
        "here",
        "--zone",
        "a_b.internal",
        "--zone",
        "a_b.internal",
    ];
    let ran = run_with(&words, &[("CALLSIGN_TTL", "soon")], &[]);
    expect![[r#"
        --dns: "here" is no address with a port; write one such as 127.0.0.1:5300 or [::1]:5300
        CALLSIGN_TTL: "soon" is no duration; write a whole number of seconds, or one with its unit, such as 500ms, 5s, 10m or 1h
        --zone: a_b.internal is given twice; leave one out"#]].assert_eq(&ran.error);
    assert_eq!(ran.code, 2);
    let ran = run(&["serve", "--config", "no-such-folder/callsign.toml"]);
    expect!["no-such-folder/callsign.toml: cannot be read: No such file or directory (os error 2)"]
        .assert_eq(&ran.error);
    assert_eq!(ran.code, 2);
}

#[test]
fn check_config_prints_every_error_and_says_when_there_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("callsign.toml");
    let check = |text: &str, variables: &[(&str, &str)]| {
        std::fs::write(&path, text).expect("a file");
        let ran = run_with(&["check-config", path.to_str().expect("UTF-8")], variables, &[]);
        let out = ran.out.replace(path.to_str().expect("UTF-8"), "FILE");
        (ran.code, out + &ran.error)
    };
    assert_eq!(check("ttl = 5\n", &[]), (0, "FILE: well\n".into()));
    let (code, out) = check("ttl = -5\nzones = []\nhttp = \"0.0.0.0:80\"\n", &[]);
    assert_eq!(code, 1);
    expect![[r#"
        FILE:1: ttl: "-5" is no duration; write a whole number of seconds, or one with its unit, such as 500ms, 5s, 10m or 1h
        FILE:2: zones: is an array; write a string instead
        FILE:3: http: 0.0.0.0:80 is open to other machines, and the API would ask for no token; give --token-file FILE, or listen on 127.0.0.1, or give --insecure-no-auth if whoever can reach it may change the catalog
    "#]].assert_eq(&out);
    let (code, out) = check("dns = [\"0.0.0.0:53\"]\n", &[]);
    assert_eq!(code, 0);
    expect![[r#"
        FILE: warning: no --dns address names a host, so ns.<zone> has no address and resolvers that ask for it get none; give --advertise IP with the address at which clients reach this server
        FILE: well
    "#]].assert_eq(&out);
    let (code, _) = check("http = \"0.0.0.0:80\"\n", &[("CALLSIGN_INSECURE_NO_AUTH", "1")]);
    assert_eq!(code, 0, "the environment counts, as it does for serve");
    assert_eq!(run(&["check-config", "no-such-folder/callsign.toml"]).code, 2);
}

#[test]
fn an_output_that_nobody_reads_is_no_failure() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config.example.toml");
    let ended = run_into(&["check-config", path], &[], &mut io::empty(), &mut Unread);
    assert_eq!(ended, (0, String::new()));
}

#[test]
fn a_dump_of_what_is_no_catalog_is_a_failure_of_storage() {
    let ran = run(&["dump", "--data-dir", "no-such-folder"]);
    assert_eq!((ran.code, ran.out.as_str()), (3, ""));
}
