//! Needs of an application's first hour (sections Y and Z of the findings), by the rows' numbers.

mod found;
mod guards;
mod kept;
mod layers;
mod responses;
mod site;
mod starts;
mod steps;
mod testing;
mod typed;
mod users;
mod visitor;
