//! What can be set, and what it is called in each source.

/// A setting of `callsign serve`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// `--data-dir`
    DataDir,
    /// `--dns`
    Dns,
    /// `--http`
    Http,
    /// `--zone`
    Zone,
    /// `--zones`
    Zones,
    /// `--advertise`
    Advertise,
    /// `--http-name`
    HttpName,
    /// `--ttl`
    Ttl,
    /// `--negative-ttl`
    NegativeTtl,
    /// `--guard`
    Guard,
    /// `--guard-for`
    GuardFor,
    /// `--keep-changes`
    KeepChanges,
    /// `--keep-changes-for`
    KeepChangesFor,
    /// `--max-udp-payload`
    MaxUdpPayload,
    /// `--udp-workers`
    UdpWorkers,
    /// `--token-file`
    TokenFile,
    /// `--insecure-no-auth`
    InsecureNoAuth,
    /// `--ports-file`
    PortsFile,
    /// `--log-format`
    LogFormat,
    /// `--verbose`
    Verbose,
}

/// What the value of a setting looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// Text, as often as one likes.
    List,
    /// A whole number.
    Number,
    /// A number of seconds, or text with a unit.
    Duration,
    /// True or false.
    Switch,
}

impl Key {
    /// All of them, in the order of the help.
    pub const ALL: [Self; 20] = [
        Self::DataDir,
        Self::Dns,
        Self::Http,
        Self::Zone,
        Self::Zones,
        Self::Advertise,
        Self::HttpName,
        Self::Ttl,
        Self::NegativeTtl,
        Self::Guard,
        Self::GuardFor,
        Self::KeepChanges,
        Self::KeepChangesFor,
        Self::MaxUdpPayload,
        Self::UdpWorkers,
        Self::TokenFile,
        Self::InsecureNoAuth,
        Self::PortsFile,
        Self::LogFormat,
        Self::Verbose,
    ];

    /// The flag, without its dashes.
    pub const fn flag(self) -> &'static str {
        match self {
            Self::DataDir => "data-dir",
            Self::Dns => "dns",
            Self::Http => "http",
            Self::Zone => "zone",
            Self::Zones => "zones",
            Self::Advertise => "advertise",
            Self::HttpName => "http-name",
            Self::Ttl => "ttl",
            Self::NegativeTtl => "negative-ttl",
            Self::Guard => "guard",
            Self::GuardFor => "guard-for",
            Self::KeepChanges => "keep-changes",
            Self::KeepChangesFor => "keep-changes-for",
            Self::MaxUdpPayload => "max-udp-payload",
            Self::UdpWorkers => "udp-workers",
            Self::TokenFile => "token-file",
            Self::InsecureNoAuth => "insecure-no-auth",
            Self::PortsFile => "ports-file",
            Self::LogFormat => "log-format",
            Self::Verbose => "verbose",
        }
    }

    /// The key in a file: the flag with `_` for `-`.
    pub fn in_file(self) -> String {
        self.flag().replace('-', "_")
    }

    /// The environment variable: `CALLSIGN_` and the flag in capitals.
    pub fn variable(self) -> String {
        format!("CALLSIGN_{}", self.in_file().to_ascii_uppercase())
    }

    /// The key that a file calls `name`.
    pub fn from_file(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.in_file() == name)
    }

    /// What its value looks like.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Dns | Self::Zone | Self::Advertise | Self::HttpName => Kind::List,
            Self::KeepChanges | Self::MaxUdpPayload | Self::UdpWorkers | Self::Verbose => Kind::Number,
            Self::Ttl | Self::NegativeTtl | Self::GuardFor | Self::KeepChangesFor => Kind::Duration,
            Self::InsecureNoAuth => Kind::Switch,
            Self::DataDir
            | Self::Http
            | Self::Zones
            | Self::Guard
            | Self::TokenFile
            | Self::PortsFile
            | Self::LogFormat => Kind::Text,
        }
    }

    /// What holds where nothing is given, as one would write it; none where that depends on the machine, or is to
    /// do without.
    pub const fn default_text(self) -> Option<&'static str> {
        match self {
            Self::DataDir => Some("callsign-data"),
            Self::Dns => Some("127.0.0.1:5300"),
            Self::Http => Some("127.0.0.1:8053"),
            Self::Zone => Some("svc.internal"),
            Self::Ttl => Some("5s"),
            Self::NegativeTtl => Some("1s"),
            Self::Guard => Some("zone"),
            Self::GuardFor => Some("10m"),
            Self::KeepChanges => Some("100000"),
            Self::KeepChangesFor => Some("168h"),
            Self::MaxUdpPayload => Some("1232"),
            Self::InsecureNoAuth => Some("false"),
            Self::LogFormat => Some("text"),
            Self::Verbose => Some("0"),
            Self::Zones
            | Self::Advertise
            | Self::HttpName
            | Self::UdpWorkers
            | Self::TokenFile
            | Self::PortsFile => None,
        }
    }
}
