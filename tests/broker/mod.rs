//! Questions to real brokers, every supported version.

mod accounts;
mod harness;
mod listeners;
mod live;
mod oddities;
mod paho;
mod plugin_table;
mod refusals;
mod reload;
mod startup;
mod stock;
