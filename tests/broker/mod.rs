//! Questions to real brokers, every supported version.

mod access;
mod access_compared;
mod accounts;
mod clients;
mod conf;
mod guessing;
mod harness;
mod listeners;
mod live;
mod oddities;
mod plugin_table;
mod refusals;
mod reload;
mod riot;
mod roles;
mod startup;
mod stock;
mod waiting;
