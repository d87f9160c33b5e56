mod card;
mod controller;
mod random;
mod ring;
mod vendor;
