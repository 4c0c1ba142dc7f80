//! A change of the catalog as the API shows it: in `/v1/changes`, and on each line of a watch.
//!
//! It is made of the change alone, so that a reader finds the same text whether it comes from memory or from the log,
//! today or tomorrow. What moves without a change is left out: a zone's number of services, a service's instances.

use crate::catalog::{Image, InstanceId, Record, Service, ServiceName, Zone};

use super::write_instance::{InstanceShown, Times};
use super::write_json::{JsonText, Shape};
use super::write_service::{service_settings, zone_settings};

/// A change with who made it, if that is known.
pub(super) struct ChangeShown<'a> {
    pub(super) record: &'a Record,
    pub(super) by: Option<&'a str>,
}

impl Shape for ChangeShown<'_> {
    fn write(&self, json: &mut JsonText) {
        let record = self.record;
        json.object(|json| {
            json.name("index").number(record.index);
            json.name("at").time(record.at);
            json.name("kind").text(record.kind.as_str());
            json.name("zone").text(record.zone.as_str());
            maybe(json, "service", record.service.as_ref().map(ServiceName::as_str));
            maybe(json, "instance", record.id.as_ref().map(InstanceId::as_str));
            maybe(json, "by", self.by);
            json.name("after");
            match (&record.after, &record.service) {
                (Image::Instance(instance), Some(service)) => InstanceShown {
                    zone: &record.zone,
                    service,
                    instance,
                    times: Times::Of(record),
                    safe_to_stop_at: None,
                }
                .write(json),
                (Image::Service(after), _) => json.object(|json| service(record, after, json)),
                (Image::Zone(after), _) => json.object(|json| zone(after, json)),
                _ => json.null(),
            }
        });
    }
}

fn maybe(json: &mut JsonText, name: &'static str, text: Option<&str>) {
    json.name(name);
    match text {
        Some(text) => json.text(text),
        None => json.null(),
    }
}

fn service(record: &Record, service: &Service, json: &mut JsonText) {
    json.name("zone").text(record.zone.as_str());
    json.name("name").text(service.name.as_str());
    json.name("settings")
        .serialized(&service_settings(service.settings()));
    json.name("created_at").time(service.created_at);
    json.name("index").number(service.index);
}

fn zone(zone: &Zone, json: &mut JsonText) {
    json.name("name").text(zone.name.as_str());
    json.name("serial").number(zone.serial);
    json.name("settings").serialized(&zone_settings(&zone.settings));
}
