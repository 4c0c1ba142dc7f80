//! The body of a registration.

use std::net::IpAddr;
use std::num::NonZeroU16;

use crate::catalog::{
    Lease, MetaKey, MetaValue, Port, PortName, Protocol, Registration, Status, Tag, deregister_after_default,
    limits, parse_address,
};

use super::fields::{Field, Fields};
use super::json::Json;
use super::problem::Problem;
use super::read_instance::STATUSES;

/// Takes what a registration says.
pub(super) fn registration(fields: &mut Fields<'_>) -> Result<Registration, Problem> {
    let addresses = addresses(fields)?;
    let ports = ports(fields)?;
    no_checks(fields)?;
    let mut read = Registration::at(addresses);
    read.ports = ports;
    if let Some(field) = fields.take("priority") {
        read.priority = field.u16()?;
    }
    if let Some(field) = fields.take("weight") {
        read.weight = field.u16()?;
    }
    if let Some(field) = fields.take("tags") {
        read.tags = each_once(field, limits::TAGS_MAX, |item| item.parse(Tag::parse))?;
    }
    if let Some(field) = fields.take("meta") {
        read.meta = meta(field)?;
    }
    if let Some(field) = fields.take("status") {
        read.status = Some(field.word(STATUSES, Status::parse)?);
    }
    if let Some(field) = fields.take("lease") {
        let lease = Lease::from_duration(field.duration()?);
        read.lease = Some(lease.map_err(|error| field.wrong(error))?);
    }
    read.deregister_after = match fields.take("deregister_after") {
        Some(field) => field.delay()?,
        None => deregister_after_default(),
    };
    Ok(read)
}

fn addresses(fields: &mut Fields<'_>) -> Result<Box<[IpAddr]>, Problem> {
    match (fields.take("address"), fields.take("addresses")) {
        (Some(one), Some(_)) => Err(one.wrong("stands beside addresses; give one of the two")),
        (Some(one), None) => Ok([one.parse(parse_address)?].into()),
        (None, Some(list)) => {
            let path = list.path();
            let list = each_once(list, limits::ADDRESSES_MAX, |item| item.parse(parse_address))?;
            if list.is_empty() {
                return Err(Problem::invalid(
                    path,
                    "is empty; an instance needs at least one address",
                ));
            }
            Ok(list)
        }
        (None, None) => Err(Problem::invalid(
            fields.path_of("addresses"),
            "is missing; an instance needs an address",
        )),
    }
}

/// The items of a list, each once, in the order given; refused as soon as there are more than `max`.
fn each_once<T: PartialEq>(
    list: Field<'_>,
    max: usize,
    read: impl Fn(&Field<'_>) -> Result<T, Problem>,
) -> Result<Box<[T]>, Problem> {
    let path = list.path();
    let mut items: Vec<T> = Vec::new();
    for item in list.list()? {
        let item = read(&item)?;
        if items.contains(&item) {
            continue;
        }
        if items.len() == max {
            return Err(too_many(&path, max));
        }
        items.push(item);
    }
    Ok(items.into())
}

fn too_many(path: &str, max: usize) -> Problem {
    Problem::invalid(
        path,
        format_args!("has more than {max} entries, which is as many as are allowed"),
    )
}

fn ports(fields: &mut Fields<'_>) -> Result<Box<[Port]>, Problem> {
    match (fields.take("port"), fields.take("ports")) {
        (Some(one), Some(_)) => Err(one.wrong("stands beside ports; give one of the two")),
        (Some(one), None) => {
            let name = PortName::parse(PortName::MAIN).expect("main is a label");
            Ok([new_port(name, port_number(&one)?, Protocol::Tcp)].into())
        }
        (None, Some(map)) => port_map(map),
        (None, None) => Ok(Box::default()),
    }
}

fn port_map(map: Field<'_>) -> Result<Box<[Port]>, Problem> {
    let path = map.path();
    let mut ports = Vec::new();
    for (name, field) in map.object()?.into_entries() {
        if ports.len() == limits::PORTS_MAX {
            return Err(too_many(&path, limits::PORTS_MAX));
        }
        let name = PortName::parse(&name).map_err(|error| field.wrong(format_args!("its name {error}")))?;
        if ports.iter().any(|port: &Port| port.name == name) {
            return Err(field.wrong(format_args!(
                "is given twice: names are folded to lower case, and {name} is there"
            )));
        }
        ports.push(match field.json {
            Json::Object(_) => {
                let mut long = field.object()?;
                let number = port_number(&long.need("port")?)?;
                let protocol = match long.take("protocol") {
                    Some(field) => field.word("\"tcp\", \"udp\" or \"sctp\"", Protocol::parse)?,
                    None => Protocol::default(),
                };
                long.finish()?;
                new_port(name, number, protocol)
            }
            _ => new_port(name, port_number(&field)?, Protocol::default()),
        });
    }
    ports.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(ports.into())
}

fn port_number(field: &Field<'_>) -> Result<NonZeroU16, Problem> {
    let wrong = || field.wrong("must be a whole number from 1 to 65535");
    let number = field.u16().map_err(|_| wrong())?;
    NonZeroU16::new(number).ok_or_else(wrong)
}

fn new_port(name: PortName, number: NonZeroU16, protocol: Protocol) -> Port {
    Port {
        name,
        number,
        protocol,
    }
}

fn meta(field: Field<'_>) -> Result<Box<[(MetaKey, MetaValue)]>, Problem> {
    let path = field.path();
    let mut entries = Vec::new();
    for (key, value) in field.object()?.into_entries() {
        if entries.len() == limits::META_MAX {
            return Err(too_many(&path, limits::META_MAX));
        }
        let key = MetaKey::parse(&key).map_err(|error| value.wrong(error))?;
        entries.push((key, value.parse(MetaValue::parse)?));
    }
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(entries.into())
}

/// Active checks do not exist yet, and a check that never runs would be believed to.
fn no_checks(fields: &mut Fields<'_>) -> Result<(), Problem> {
    let Some(field) = fields.take("checks") else {
        return Ok(());
    };
    let wrong = field.wrong("active checks are not supported; report health instead");
    match field.list()?.next() {
        Some(_) => Err(wrong),
        None => Ok(()),
    }
}
