//! Questions to real brokers, every supported version.

mod access;
mod access_compared;
mod accounts;
mod acl_query;
mod clients;
mod conf;
mod control;
mod control_compared;
mod control_disk;
mod control_flood;
mod control_killed;
mod control_more;
mod delegated;
mod deliveries;
mod elsewhere;
mod explained;
mod figures;
mod first_start;
mod guessing;
mod harness;
mod listeners;
mod live;
mod oddities;
mod own_password;
mod plugin_table;
mod refusals;
mod reload;
mod remote;
mod riot;
mod roles;
mod roles_compared;
mod startup;
mod stock;
mod switched;
mod waiting;

pub use self::access_compared::Dice;
