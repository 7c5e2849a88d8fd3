//! Help, completions, and wrong arguments.

use super::command::run;

#[test]
fn every_command_has_help_with_examples() {
    let help = run(["--help"]).good().out;
    for command in ["report", "top", "diff", "export", "watch", "trace", "tune", "completions"] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
        for flag in ["-h", "--help"] {
            let help = run([command, flag]).good().out;
            assert!(help.contains("Examples:\n") && help.contains(&format!("bufslab {command} ")), "{help}");
            assert!(help.lines().all(|line| line.chars().count() <= 110), "{help}");
            assert!(!help.contains('\u{1b}'), "colours without a terminal");
        }
    }
    assert!(help.contains("Exit codes: 0 success"), "{help}");
    assert!(run(["watch", "--help"]).good().out.contains("Exit codes:\n  0  no limit was passed"));
    assert_eq!(run(["--version"]).good().out, format!("bufslab {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_arguments_name_the_field_the_value_and_what_is_allowed() {
    let cases: &[(&[&str], &str)] = &[
        (&["watch", "localhost:1"], "<--above <SIZE>|--waste <PERCENT>|--oldest <TIME>>"),
        (
            &["watch", "--above", "5 potatoes", "x"],
            "invalid value '5 potatoes' for '--above <SIZE>': it must be a number of",
        ),
        (
            &["watch", "--waste", "120%", "x"],
            "invalid value '120%' for '--waste <PERCENT>': it must be from 0% to 100%",
        ),
        (
            &["watch", "--oldest", "10", "x"],
            "invalid value '10' for '--oldest <TIME>': it must be a time with its unit",
        ),
        (
            &["watch", "--above", "1", "--tag", "a", "--scope", "b", "x"],
            "'--tag <NAME>' cannot be used with '--scope <NAME>'",
        ),
        (&["report"], "<ADDR|FILE>"),
        (&["report", "https://localhost:1"], "https is not spoken here"),
        (&["report", "--json", "--full", "x"], "cannot be used with"),
        (&["top", "--by", "colour", "localhost:1"], "possible values: tag, scope, kind, site, thread"),
        (&["top", "--interval", "0s", "localhost:1"], "--interval is 0: it must be at least 1ms"),
        (&["trace"], "<FILE>"),
        (&["frobnicate"], "unrecognized subcommand 'frobnicate'"),
        (&["completions", "cobol"], "possible values: bash, elvish, fish, powershell, zsh"),
    ];
    for (args, says) in cases {
        run(*args).refused(says);
    }
}

#[test]
fn shells_get_their_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(["completions", shell]).good().out;
        for word in ["bufslab", "export", "--above"] {
            assert!(script.contains(word) || script.contains(word.trim_start_matches('-')), "{shell}: no {word}");
        }
    }
}
