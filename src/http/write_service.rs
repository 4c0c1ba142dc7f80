//! Zones and services as the API shows them, and the pages of a list.

use std::sync::Arc;

use serde::Serialize;

use crate::catalog::{Service, ServiceSettings, Status, Zone, ZoneName, ZoneSettings};
use crate::clock::Timestamp;
use crate::lease::Deadlines;

use super::duration::Shown;
use super::guard::Held;
use super::write_instance::{InstanceShown, Times};
use super::write_json::{JsonText, Shape};

/// A zone.
#[derive(Serialize)]
pub(super) struct ZoneShown<'a> {
    name: &'a str,
    serial: u32,
    services: usize,
    settings: Settings,
}

impl<'a> ZoneShown<'a> {
    pub(super) fn of(zone: &'a Zone) -> Self {
        Self {
            name: zone.name.as_str(),
            serial: zone.serial,
            services: zone.services.len(),
            settings: Settings::of_zone(&zone.settings),
        }
    }
}

impl Shape for ZoneShown<'_> {
    fn write(&self, json: &mut JsonText) {
        json.serialized(self);
    }
}

/// A service with its instances.
pub(super) struct ServiceShown<'a> {
    zone: &'a str,
    name: &'a str,
    settings: Settings,
    instances: Vec<InstanceShown<'a>>,
    created_at: Timestamp,
    index: u64,
    /// Shown only while the guard holds some of its leases.
    guard: Option<Held>,
}

impl<'a> ServiceShown<'a> {
    pub(super) fn of(zone: &'a ZoneName, service: &'a Service, deadlines: &'a Deadlines) -> Self {
        let shown = |instance: &'a Arc<_>| InstanceShown {
            zone,
            service: &service.name,
            instance,
            times: Times::Now(deadlines),
            safe_to_stop_at: None,
        };
        Self {
            zone: zone.as_str(),
            name: service.name.as_str(),
            settings: Settings::of_service(service.settings()),
            instances: service.instances.iter().map(shown).collect(),
            created_at: service.created_at,
            index: service.index,
            guard: deadlines
                .held_of(zone, &service.name)
                .map(|held| Held::of(&held, deadlines)),
        }
    }
}

impl Shape for ServiceShown<'_> {
    fn write(&self, json: &mut JsonText) {
        json.object(|json| {
            json.name("zone").text(self.zone);
            json.name("name").text(self.name);
            json.name("settings").serialized(&self.settings);
            json.name("instances")
                .list(&self.instances, |json, instance| instance.write(json));
            json.name("created_at").time(self.created_at);
            json.name("index").number(self.index);
            if let Some(guard) = &self.guard {
                json.name("guard").serialized(guard);
            }
        });
    }
}

/// A service in a list: how many instances there are, and how they are.
#[derive(Debug, Serialize)]
pub(super) struct ServiceCounted<'a> {
    zone: &'a str,
    name: &'a str,
    instances: usize,
    passing: usize,
    warning: usize,
    critical: usize,
    draining: usize,
    answerable: usize,
}

impl<'a> ServiceCounted<'a> {
    pub(super) fn of(zone: &'a ZoneName, service: &'a Service) -> Self {
        let mut counted = Self {
            zone: zone.as_str(),
            name: service.name.as_str(),
            instances: service.instances.len(),
            passing: 0,
            warning: 0,
            critical: 0,
            draining: 0,
            answerable: 0,
        };
        for instance in &service.instances {
            match instance.status() {
                Status::Passing => counted.passing += 1,
                Status::Warning => counted.warning += 1,
                Status::Critical => counted.critical += 1,
            }
            counted.draining += usize::from(instance.drain().is_some());
            counted.answerable += usize::from(instance.is_answerable());
        }
        counted
    }
}

impl Shape for ServiceCounted<'_> {
    fn write(&self, json: &mut JsonText) {
        json.serialized(self);
    }
}

/// A zone's own settings.
pub(super) fn zone_settings(settings: &ZoneSettings) -> impl Serialize {
    Settings::of_zone(settings)
}

/// A service's own settings.
pub(super) fn service_settings(settings: &ServiceSettings) -> impl Serialize {
    Settings::of_service(settings)
}

/// Own settings; what is unset is absent.
#[derive(Serialize)]
struct Settings {
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    negative_ttl: Option<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_empty: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forget_after: Option<Shown>,
}

impl Settings {
    fn of_zone(settings: &ZoneSettings) -> Self {
        Self {
            ttl: settings.ttl.map(|ttl| Shown(ttl.duration())),
            negative_ttl: settings.negative_ttl.map(|ttl| Shown(ttl.duration())),
            on_empty: settings.on_empty.map(|policy| policy.as_str()),
            answer_limit: settings.answer_limit,
            forget_after: settings.forget_after.map(|delay| Shown(delay.duration())),
        }
    }

    fn of_service(settings: &ServiceSettings) -> Self {
        Self {
            ttl: settings.ttl.map(|ttl| Shown(ttl.duration())),
            negative_ttl: None,
            on_empty: settings.on_empty.map(|policy| policy.as_str()),
            answer_limit: settings.answer_limit,
            forget_after: settings.forget_after.map(|delay| Shown(delay.duration())),
        }
    }
}

/// A part of a list: `{"services":[…],"next":"…"}`, `next` only where there is more.
pub(super) struct Page<'a, T> {
    /// What the list is called.
    pub(super) name: &'static str,
    pub(super) items: Vec<T>,
    /// The name to go on after.
    pub(super) next: Option<&'a str>,
}

impl<T: Shape> Shape for Page<'_, T> {
    fn write(&self, json: &mut JsonText) {
        json.object(|json| {
            json.name(self.name)
                .list(&self.items, |json, item| item.write(json));
            if let Some(next) = self.next {
                json.name("next").text(next);
            }
        });
    }
}
