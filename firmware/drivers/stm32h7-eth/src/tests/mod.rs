mod card;
mod controller;
mod random;
mod ring;
mod sending;
mod vendor;
