//! What a word is described by.

use super::Window;
use super::token::{Form, Token};

/// How many there are of each word.
pub const COUNT: usize = 28;

/// Places in the model's table.
pub type Features = [u16; COUNT];

/// Tokens behind a word that describe it.
pub const BEHIND: usize = 2;

/// Bits of a place.
pub const BITS: u32 = 15;

/// Of the word so many tokens behind the one that is looked at.
pub fn of(window: &Window<'_>, word: usize) -> Features {
    let token = |by| window.token(word, by);
    let class = |token: Option<&Token>| token.map_or(0, |it| it.class());
    let hash = |token: Option<&Token>| token.map_or(0, |it| it.hash);
    let (third, second, before) = (token(-3), token(-2), token(-1));
    let (this, next, after) = (token(0), token(1), token(2));
    let (class3, class2, class1) = (class(third), class(second), class(before));
    let (class0, next1, next2) = (class(this), class(next), class(after));
    let begins_sentence = match before {
        None => 1,
        Some(token) => u32::from(token.form == Form::LineBreak || (token.form == Form::Mark && hash(second) == 0)),
    };
    let mut number = 0_u32;
    let mut feature = |first: u32, second: u32, third: u32| {
        number = number.wrapping_add(1);
        let mut value = number.wrapping_mul(0x9e37_79b1) ^ first;
        for part in [second, third] {
            value = (value ^ (value >> 15)).wrapping_mul(0x2c1b_3c6d) ^ part;
        }
        value = (value ^ (value >> 12)).wrapping_mul(0x297a_2d39);
        u16::try_from(value >> (u32::BITS - BITS)).unwrap_or_default()
    };
    [
        feature(0, 0, 0),
        feature(class0, 0, 0),
        feature(class0, begins_sentence, 0),
        feature(hash(this), 0, 0),
        feature(this.map_or(0, |it| it.ending), 0, 0),
        feature(this.map_or(0, |it| it.beginning), 0, 0),
        feature(hash(third), 0, 0),
        feature(class3, 0, 0),
        feature(hash(second), 0, 0),
        feature(class2, 0, 0),
        feature(hash(before), 0, 0),
        feature(class1, 0, 0),
        feature(hash(next), 0, 0),
        feature(next1, 0, 0),
        feature(hash(after), 0, 0),
        feature(next2, 0, 0),
        feature(class1, class0, 0),
        feature(class0, next1, 0),
        feature(class2, class1, class0),
        feature(class0, next1, next2),
        feature(class1, class0, next1),
        feature(hash(second), hash(before), class0),
        feature(hash(before), class0, 0),
        feature(class0, hash(next), 0),
        feature(hash(second), class1, class0),
        feature(class3, class2, class1),
        feature(class0, class1, hash(third)),
        feature(before.map_or(0, |it| it.ending), class0, 0),
    ]
}
