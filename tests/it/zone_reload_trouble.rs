//! SIGHUP and zone files of the real program while it is busy, killed, or has no disk: DNS goes on, and no answer is
//! torn.

use std::fs;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::dns::{DEADLINE, Data, Message, Query, Type, ask};
use crate::trouble::SmallDisk;
use crate::wire::{ZONE, answers, honest, serial, still_answers};
use crate::zone_files::{Files, ORG, org, www};
use crate::zone_reload::{RELOADED_WITHIN, reload};

/// A file whose every record says which edition it is.
fn edition(serial: u32, records: usize) -> String {
    let mut text = format!("$TTL 60\n@ SOA ns hostmaster {serial} 3600 600 86400 5\n@ NS ns.example.com.\n");
    for number in 0..records {
        text.push_str(&format!(
            "all A 10.{}.{}.{}\n",
            serial % 250,
            number / 250,
            number % 250
        ));
        text.push_str(&format!("n{number} TXT {serial}\n"));
    }
    text
}

#[test]
fn under_load_each_answer_is_of_one_file_as_a_whole() {
    let files = Files::new();
    const RECORDS: usize = 60;
    files.put("example.org.zone", &edition(1, RECORDS));
    let program = files.launch().start();
    let over = AtomicBool::new(false);
    let asked = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let (over, asked, program) = (&over, &asked, &program);
        scope.spawn(move || {
            let mut latest = 0;
            while !over.load(Ordering::Relaxed) {
                let reply = ask(program.dns, &Query::new("all.example.org", Type::A).edns(1232));
                assert_eq!((reply.rcode(), reply.tc()), (0, false));
                let editions: Vec<u8> = reply
                    .answers
                    .iter()
                    .map(|record| match record.data {
                        Data::A(address) => address.octets()[1],
                        _ => panic!("{}", record.text()),
                    })
                    .collect();
                assert_eq!(editions.len(), RECORDS);
                assert!(
                    editions.iter().all(|one| *one == editions[0]),
                    "torn: {editions:?}"
                );
                assert!(editions[0] >= latest, "it went back from {latest}");
                latest = editions[0];
                asked.fetch_add(1, Ordering::Relaxed);
            }
        });
        scope.spawn(move || {
            let client = program.client();
            let mut number = 0;
            while !over.load(Ordering::Relaxed) {
                number += 1;
                let path = format!("/v1/zones/example.org/services/web/instances/i{}", number % 50);
                let body = json!({"address": format!("192.0.2.{}", number % 250 + 1), "port": 80});
                let status = client.put(&path, &body).status;
                assert!(matches!(status, 200 | 201), "{status}");
            }
        });
        let check = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for number in 2..22 {
                files.put("example.org.zone", &edition(number, RECORDS));
                let told = reload(program);
                assert!(!told.contains("ERROR"), "{told}");
                let reply = answers(program.dns, "n7.example.org", Type::TXT);
                assert!(reply[0].contains(&format!("\"{number}\"")), "{reply:?}");
            }
        }));
        over.store(true, Ordering::Relaxed);
        check.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    // However few a busy machine leaves time for.
    assert!(asked.load(Ordering::Relaxed) > 10);
    // Killed right after: what was answered is what comes back.
    let before = serial(program.dns, ORG);
    let program = program.kill_and_restart();
    assert_eq!(serial(program.dns, ORG), before);
    assert_eq!(answers(program.dns, "all.example.org", Type::A).len(), RECORDS);
}

#[test]
fn a_kill_at_any_moment_of_a_reload_leaves_one_file_or_the_other() {
    let files = Files::new();
    files.put("example.org.zone", &edition(1, 2000));
    let mut program = files.launch().start();
    let mut last = serial(program.dns, ORG);
    for round in 0..8_u64 {
        files.put("example.org.zone", &edition(2 + round as u32, 2000));
        program.signal("HUP");
        // As far into it as the round says, by its own questions and not by the clock.
        for _ in 0..round * 4 {
            let now = serial(program.dns, ORG);
            assert!(now.wrapping_sub(last) < 1 << 31);
            last = now;
        }
        program = program.kill_and_restart();
        let now = serial(program.dns, ORG);
        assert!(
            now > last || (now == last && round == 0) || now == 2 + round as u32,
            "{now} after {last}"
        );
        assert_eq!(
            now,
            2 + round as u32,
            "the serial is the file's, taken before or at the start"
        );
        last = now;
    }
}

#[test]
fn a_store_that_is_locked_at_a_reload_leaves_the_old_records_and_the_next_one_takes_the_new() {
    let files = Files::new();
    files.put("example.org.zone", &org(7, "192.0.2.1"));
    let program = files.launch().start();
    honest(&program);
    let other = rusqlite::Connection::open(program.data_dir.join("callsign.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    files.put("example.org.zone", &org(8, "192.0.2.2"));
    let told = reload(&program);
    assert!(told.contains("zone example.org stays what it was"), "{told}");
    assert_eq!(
        (www(&program).as_str(), serial(program.dns, ORG)),
        ("192.0.2.1", 7)
    );
    still_answers(program.dns);
    other.execute_batch("ROLLBACK").unwrap();
    reload(&program);
    assert_eq!(
        (www(&program).as_str(), serial(program.dns, ORG)),
        ("192.0.2.2", 8)
    );
}

#[test]
fn a_full_disk_at_a_reload_leaves_the_old_records_and_room_takes_the_new() {
    let Some(disk) = SmallDisk::new("16m") else {
        println!("SKIPPED: nothing can be mounted here, so a full disk was not tested");
        return;
    };
    let ballast = disk.path().join("ballast");
    let files = Files::new();
    files.put("example.org.zone", &org(7, "192.0.2.1"));
    let program = files.launch().data_dir(&disk.path().join("data")).start();
    honest(&program);
    assert!(fs::write(&ballast, vec![1; 32 << 20]).is_err(), "there was room");
    let client = program.client();
    let mut number = 0;
    loop {
        let body = json!({"address": "192.0.2.9", "meta": {"k": "v".repeat(4000)}});
        let status = client
            .put(&format!("/v1/services/big/instances/i{number}"), &body)
            .status;
        number += 1;
        assert!(number < 10_000, "the disk does not get full");
        if status != 201 {
            assert_eq!(status, 507);
            break;
        }
    }
    files.put("example.org.zone", &org(8, "192.0.2.2"));
    files.put("example.net.zone", &org(8, "192.0.2.2"));
    let mut told = reload(&program);
    // A small change may still find room; a larger one finds none.
    let mut last = 2;
    while !told.contains("ERROR") {
        last += 1;
        assert!(last < 250, "{told}");
        files.put("example.org.zone", &org(last, &format!("192.0.2.{last}")));
        told = reload(&program);
    }
    assert!(
        told.contains("stays what it was") && told.contains("full"),
        "{told}"
    );
    let (old_www, old_serial) = (www(&program), serial(program.dns, ORG));
    assert_ne!(old_www, format!("192.0.2.{last}"));
    still_answers(program.dns);
    assert!(reload(&program).contains("stays what it was"), "it is told again");
    assert_eq!((www(&program), serial(program.dns, ORG)), (old_www, old_serial));
    fs::remove_file(&ballast).unwrap();
    let told = reload(&program);
    assert!(!told.contains("ERROR"), "{told}");
    assert_eq!(www(&program), format!("192.0.2.{last}"));
    let program = program.kill_and_restart();
    assert_eq!(www(&program), format!("192.0.2.{last}"));
}

#[test]
fn a_large_file_is_read_while_questions_are_answered() {
    /// A pause that nobody should see; generous, since other tests run beside this one.
    const PAUSE_MAX: Duration = Duration::from_millis(1500);
    const RECORDS: usize = 200_000;
    let text = |serial: u32| {
        let mut text =
            format!("$TTL 60\n@ SOA ns hostmaster {serial} 3600 600 86400 5\n@ NS ns.example.com.\n");
        for number in 0..RECORDS {
            text.push_str(&format!(
                "host-{number} A 10.{}.{}.{}\n",
                serial,
                number / 250 % 250,
                number % 250
            ));
        }
        text
    };
    let files = Files::new();
    let program = files.launch().start();
    honest(&program);
    let over = AtomicBool::new(false);
    let longest = std::thread::scope(|scope| {
        let (over, program) = (&over, &program);
        let asking = scope.spawn(move || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(program.dns).unwrap();
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
            let (mut longest, mut buffer) = (Duration::ZERO, [0; 1500]);
            while !over.load(Ordering::Relaxed) {
                let query = Query::new(&format!("honest.{ZONE}"), Type::A);
                let began = Instant::now();
                socket.send(&query.bytes()).unwrap();
                let length = socket.recv(&mut buffer).expect("a reply");
                longest = longest.max(began.elapsed());
                assert_eq!(Message::parse(&buffer[..length]).unwrap().answers.len(), 1);
            }
            longest
        });
        for serial in [1, 2] {
            files.put("example.org.zone", &text(serial));
            program.signal("HUP");
            let host = format!("host-{}.example.org", RECORDS - 1);
            let is_there = || {
                let reply = ask(program.dns, &Query::new(&host, Type::A));
                reply
                    .answers_text()
                    .first()
                    .is_some_and(|text| text.contains(&format!(" 10.{serial}.")))
            };
            let began = Instant::now();
            while !is_there() && began.elapsed() < RELOADED_WITHIN {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        over.store(true, Ordering::Relaxed);
        asking.join().expect("the questions were answered")
    });
    assert!(longest < PAUSE_MAX, "a question waited {longest:?}");
    assert_eq!(serial(program.dns, ORG), 2);
    let program = program.kill_and_restart();
    assert_eq!(serial(program.dns, ORG), 2);
    assert_eq!(answers(program.dns, "host-7.example.org", Type::A).len(), 1);
}
