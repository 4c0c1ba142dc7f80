//! A message as dig prints it: comments begin with `;`, records are in the form of a zone file (RFC 1035 §5.1).

use std::fmt::Write as _;

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::{RData, Record, RecordType};

use super::exchange::Reply;

/// The whole reply, without a final newline.
pub(super) fn present(reply: &Reply) -> String {
    let mut text = message(&reply.message);
    let transport = if reply.is_tcp { "TCP" } else { "UDP" };
    let truncated = if reply.was_truncated {
        ", after a truncated reply over UDP"
    } else {
        ""
    };
    let (ms, octets) = (reply.took.as_millis(), reply.octets);
    let server = format!("{}#{}", reply.server.ip(), reply.server.port());
    add(&mut text, format_args!(";; Query time: {ms} msec"));
    add(
        &mut text,
        format_args!(";; SERVER: {server} ({transport}{truncated})"),
    );
    let _ = write!(text, ";; MSG SIZE  rcvd: {octets}");
    text
}

fn add(text: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(text, "{line}");
}

/// Header and sections, each with an empty line after it.
pub(super) fn message(message: &Message) -> String {
    let mut text = String::new();
    let header = &message.metadata;
    let additional = message.additionals.len() + usize::from(message.edns.is_some());
    add(
        &mut text,
        format_args!(
            ";; ->>HEADER<<- opcode: {}, status: {}, id: {}",
            opcode(header.op_code),
            status(header.response_code),
            header.id
        ),
    );
    add(
        &mut text,
        format_args!(
            ";; flags:{}; QUERY: {}, ANSWER: {}, AUTHORITY: {}, ADDITIONAL: {additional}\n",
            flags(message),
            message.queries.len(),
            message.answers.len(),
            message.authorities.len(),
        ),
    );
    edns(&mut text, message);
    if !message.queries.is_empty() {
        add(&mut text, format_args!(";; QUESTION SECTION:"));
        for query in &message.queries {
            let kind = type_name(query.query_type);
            add(
                &mut text,
                format_args!(";{}\t\t{}\t{kind}", query.name.to_ascii(), query.query_class),
            );
        }
        text.push('\n');
    }
    for (title, records) in [
        ("ANSWER", &message.answers),
        ("AUTHORITY", &message.authorities),
        ("ADDITIONAL", &message.additionals),
    ] {
        if !records.is_empty() {
            add(&mut text, format_args!(";; {title} SECTION:"));
            for record in records {
                add(&mut text, format_args!("{}", line(record)));
            }
            text.push('\n');
        }
    }
    text
}

fn flags(message: &Message) -> String {
    let header = &message.metadata;
    [
        (true, " qr"),
        (header.authoritative, " aa"),
        (header.truncation, " tc"),
        (header.recursion_desired, " rd"),
        (header.recursion_available, " ra"),
        (header.authentic_data, " ad"),
        (header.checking_disabled, " cd"),
    ]
    .into_iter()
    .filter(|(is_set, _)| *is_set)
    .map(|(_, name)| name)
    .collect()
}

fn edns(text: &mut String, message: &Message) {
    let Some(edns) = &message.edns else { return };
    let dnssec_ok = if edns.flags().dnssec_ok { " do" } else { "" };
    let (version, payload) = (edns.version(), edns.max_payload());
    add(text, format_args!(";; OPT PSEUDOSECTION:"));
    add(
        text,
        format_args!("; EDNS: version: {version}, flags:{dnssec_ok}; udp: {payload}"),
    );
    for (code, option) in &edns.options().options {
        let octets = Vec::<u8>::try_from(option).unwrap_or_default();
        add(text, format_args!("; OPT={}: {}", u16::from(*code), hex(&octets)));
    }
}

fn opcode(code: OpCode) -> String {
    format!("{code:?}").to_ascii_uppercase()
}

fn status(code: ResponseCode) -> String {
    match code {
        // As IANA writes them.
        ResponseCode::Unknown(number) => format!("RESERVED{number}"),
        code => format!("{code:?}").to_ascii_uppercase(),
    }
}

/// The mnemonic, or `TYPE123` (RFC 3597 §5).
fn type_name(record_type: RecordType) -> String {
    match record_type {
        RecordType::Unknown(number) => format!("TYPE{number}"),
        known => known.to_string(),
    }
}

fn line(record: &Record) -> String {
    format!(
        "{}\t{}\t{}\t{}\t{}",
        record.name.to_ascii(),
        record.ttl,
        record.dns_class,
        type_name(record.record_type()),
        data(&record.data)
    )
}

/// RDATA in presentation form.
fn data(data: &RData) -> String {
    match data {
        RData::CNAME(name) => name.0.to_ascii(),
        RData::NS(name) => name.0.to_ascii(),
        RData::PTR(name) => name.0.to_ascii(),
        RData::SRV(srv) => {
            let target = srv.target.to_ascii();
            format!("{} {} {} {target}", srv.priority, srv.weight, srv.port)
        }
        RData::MX(mx) => format!("{} {}", mx.preference, mx.exchange.to_ascii()),
        RData::TXT(txt) => {
            let strings: Vec<_> = txt.txt_data.iter().map(|string| quoted(string)).collect();
            strings.join(" ")
        }
        RData::HINFO(hinfo) => format!("{} {}", quoted(&hinfo.cpu), quoted(&hinfo.os)),
        RData::NULL(null) => generic(&null.anything),
        RData::Unknown { rdata, .. } => generic(&rdata.anything),
        // None of these has text that could drive a terminal but CAA and NAPTR.
        other => other
            .to_string()
            .chars()
            .flat_map(|c| {
                if c.is_control() {
                    c.escape_default().collect()
                } else {
                    vec![c]
                }
            })
            .collect(),
    }
}

/// A character-string (RFC 1035 §5.1): octets outside printable ASCII as `\DDD`.
fn quoted(octets: &[u8]) -> String {
    let mut text = String::from("\"");
    for octet in octets {
        match octet {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(*octet));
            }
            b' '..=b'~' => text.push(char::from(*octet)),
            other => {
                let _ = write!(text, "\\{other:03}");
            }
        }
    }
    text.push('"');
    text
}

/// RDATA whose form is not known (RFC 3597 §5).
fn generic(octets: &[u8]) -> String {
    let text = format!("\\# {} {}", octets.len(), hex(octets));
    text.trim_end().to_owned()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
