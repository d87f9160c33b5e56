//! The transmit ring against a DMA that is late, gives up frames, contradicts
//! itself, and falls asleep over a descriptor that has just been given. The card
//! watches the CPU's side: whoever touches what is not his fails the test.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::VecDeque;
use std::rc::Rc;

use crate::transmit::{Refused, TransmitMemory, TransmitRing, Transmitted};

const OWN: u32 = 1 << 31;
const CTXT: u32 = 1 << 30;
const FD: u32 = 1 << 29;
const LD: u32 = 1 << 28;
const ES: u32 = 1 << 15;
const BUFFER: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dma {
    Awake,
    /// It has found nothing, and will sleep: a wake-up now is lost on it.
    Dozing,
    Asleep,
}

struct Card {
    status: Vec<u32>,
    /// Reads of TDES3 until the write-back is seen.
    late: Vec<u8>,
    buffers: Vec<Vec<u8>>,
    lengths: Vec<usize>,
    next: usize,
    dma: Dma,
    /// On its way out, as it was when its sending began.
    moving: Option<Vec<u8>>,
    /// What left, or was given up, in order; whether it was sent.
    left: Vec<(Vec<u8>, bool)>,
    /// Status and lateness of the frames to come.
    fates: VecDeque<(u32, u8)>,
    slept: u64,
}

#[derive(Clone)]
struct Shared(Rc<RefCell<Card>>);

impl Shared {
    fn new(descriptors: usize) -> Self {
        Self(Rc::new(RefCell::new(Card {
            // What memory holds when power comes.
            status: vec![0xdead_beef; descriptors],
            late: vec![0; descriptors],
            buffers: vec![vec![0xee; BUFFER]; descriptors],
            lengths: vec![0; descriptors],
            next: 0,
            dma: Dma::Asleep,
            moving: None,
            left: Vec::new(),
            fates: VecDeque::new(),
            slept: 0,
        })))
    }

    fn card(&self) -> RefMut<'_, Card> {
        self.0.borrow_mut()
    }
}

impl TransmitMemory for Shared {
    fn descriptors(&self) -> usize {
        self.card().status.len()
    }

    fn buffer_octets(&self) -> usize {
        BUFFER
    }

    fn status(&self, index: usize) -> u32 {
        let mut card = self.card();
        if card.late[index] > 0 {
            card.late[index] -= 1;
            return card.status[index] | OWN;
        }
        card.status[index]
    }

    fn take(&mut self, index: usize) {
        self.card().status[index] = 0;
    }

    fn put(&mut self, index: usize, octets: &[u8]) {
        let mut card = self.card();
        card.must_be_the_cpus(index);
        card.buffers[index][..octets.len()].copy_from_slice(octets);
        card.lengths[index] = octets.len();
    }

    fn give(&mut self, index: usize, octets: usize) {
        let mut card = self.card();
        card.must_be_the_cpus(index);
        assert_eq!(octets, card.lengths[index], "not what was put there");
        card.status[index] = OWN | FD | LD | u32::try_from(octets).expect("short");
    }
}

impl Card {
    fn must_be_the_cpus(&self, index: usize) {
        assert_eq!(self.status[index] & OWN, 0, "the DMA's: {index}");
        assert_eq!(self.late[index], 0, "not yet seen as the CPU's: {index}");
    }

    fn wake(&mut self) {
        if self.dma == Dma::Asleep {
            self.dma = Dma::Awake;
        }
    }

    /// Begins or ends one frame, or falls asleep.
    fn step(&mut self) {
        match self.dma {
            Dma::Asleep => return,
            Dma::Dozing => {
                self.slept += 1;
                self.dma = Dma::Asleep;
                return;
            }
            Dma::Awake => {}
        }
        let at = self.next;
        let Some(begun) = self.moving.take() else {
            if self.status[at] & OWN == 0 {
                self.dma = Dma::Dozing;
            } else {
                self.moving = Some(self.buffers[at][..self.lengths[at]].to_vec());
            }
            return;
        };
        assert_eq!(
            begun,
            self.buffers[at][..self.lengths[at]],
            "changed on its way out"
        );
        let (status, late) = self.fates.pop_front().unwrap_or((FD | LD, 0));
        self.status[at] = status & !OWN;
        self.late[at] = late;
        self.left.push((begun, status & (ES | CTXT) == 0));
        self.next = (at + 1) % self.status.len();
    }
}

/// Frame `id`, of 14 octets and more.
fn frame(id: u64) -> Vec<u8> {
    let len = 14 + usize::try_from(id % 19).expect("small");
    let [low, high, ..] = id.to_le_bytes();
    (0..len)
        .map(|at| [low, high][at % 2] ^ at.to_le_bytes()[0])
        .collect()
}

fn ring(descriptors: usize) -> (TransmitRing<Shared>, Shared) {
    let shared = Shared::new(descriptors);
    (TransmitRing::new(shared.clone()), shared)
}

#[test]
fn what_is_no_frame_is_refused() {
    let (mut ring, shared) = ring(2);
    assert_eq!(ring.push(&[0; 13]), Err(Refused::Length));
    assert_eq!(ring.push(&[0; BUFFER + 1]), Err(Refused::Length));
    assert_eq!(ring.push(&[0; BUFFER]), Ok(()));
    assert_eq!(ring.booked().given, 1);
    assert_eq!(shared.card().status[0], OWN | FD | LD | 32);
}

#[test]
fn a_full_ring_refuses_and_loses_nothing() {
    let (mut ring, shared) = ring(2);
    ring.push(&frame(1)).expect("room");
    ring.push(&frame(2)).expect("room");
    assert_eq!(ring.push(&frame(3)), Err(Refused::Full));
    shared.card().wake();
    shared.card().fates.push_back((FD | LD, 3)); // seen late
    for _ in 0..2 {
        shared.card().step();
    }
    for _ in 0..3 {
        assert_eq!(ring.push(&frame(3)), Err(Refused::Full), "not seen yet");
    }
    assert_eq!(ring.push(&frame(3)), Ok(()));
    assert_eq!(ring.waiting(), 2);
    for _ in 0..8 {
        shared.card().step();
    }
    ring.book();
    let all = Transmitted {
        given: 3,
        sent: 3,
        failed: 0,
    };
    assert_eq!((ring.booked(), ring.waiting()), (all, 0));
    let left: Vec<_> = [1, 2, 3].map(|id| (frame(id), true)).into();
    assert_eq!(shared.card().left, left);
}

#[test]
fn what_the_mac_gave_up_is_failed() {
    let (mut ring, shared) = ring(4);
    // Carrier lost, late collision, underflow; a context that nobody wrote; bits
    // beside the summary that are mere remarks (time stamped, deferred).
    let fates = [
        (ES | 1 << 11, false),
        (ES | 1 << 9, false),
        (ES | 1 << 2, false),
        (CTXT, false),
        (FD | LD | 1 << 17 | 1 << 1, true),
        (0, true),
    ];
    shared.card().wake();
    for (status, sent) in fates {
        shared.card().fates.push_back((status, 0));
        let before = ring.booked();
        ring.push(&frame(9)).expect("room");
        shared.card().wake();
        for _ in 0..4 {
            shared.card().step();
        }
        ring.book();
        let after = ring.booked();
        assert_eq!(after.sent - before.sent, u64::from(sent), "{status:x}");
        assert_eq!(after.failed - before.failed, u64::from(!sent), "{status:x}");
    }
}

/// xorshift64*: the same run each time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % n
    }
}

#[test]
fn a_million_steps() {
    let mut total = Transmitted::default();
    let (mut full, mut slept) = (0, 0);
    for (seed, descriptors) in (1_u64..).zip([1, 2, 3, 8]) {
        let mut random = Random(seed * 0x9e37_79b9);
        let (mut ring, shared) = ring(descriptors);
        let mut taken = 0;
        for _ in 0..250_000 {
            match random.below(100) {
                0..55 => shared.card().step(),
                55..85 => {
                    let fate = match random.below(12) {
                        0 => ES | 1 << (9 + random.below(3)),
                        1 => 0,
                        2 => CTXT | ES,
                        _ => FD | LD,
                    };
                    let late = if random.below(8) == 0 { 5 } else { 0 };
                    match ring.push(&frame(taken)) {
                        Ok(()) => {
                            taken += 1;
                            shared.card().fates.push_back((fate, late));
                        }
                        Err(refused) => {
                            assert_eq!(refused, Refused::Full);
                            full += 1;
                        }
                    }
                    // As the port does, full or not.
                    shared.card().wake();
                }
                85..97 => ring.book(),
                _ => shared.card().wake(), // as `service` does
            }
            let booked = ring.booked();
            let waiting = u64::try_from(ring.waiting()).expect("few");
            assert_eq!(booked.given, booked.sent + booked.failed + waiting);
            assert_eq!(booked.given, taken);
        }
        for _ in 0..100 {
            shared.card().wake();
            shared.card().step();
            ring.book();
        }
        let booked = ring.booked();
        assert_eq!(ring.waiting(), 0, "each is booked");
        assert_eq!(booked.sent + booked.failed, taken, "once");
        let card = shared.card();
        assert_eq!(card.left.len() as u64, taken);
        for (id, (octets, _)) in (0_u64..).zip(&card.left) {
            assert_eq!(*octets, frame(id), "frame {id}, in order");
        }
        let sent = card.left.iter().filter(|(_, sent)| *sent).count();
        assert_eq!(sent as u64, booked.sent);
        slept += card.slept;
        total.sent += booked.sent;
        total.failed += booked.failed;
    }
    assert!(total.sent > 50_000 && total.failed > 5_000, "{total:?}");
    assert!(full > 1_000 && slept > 1_000, "{full} {slept}");
}

/// For the controller's tests: what a port's ring was given, and what its two
/// descriptors say (nothing ends unless that is changed).
#[derive(Clone)]
pub(super) struct Given {
    pub(super) frames: Rc<RefCell<Vec<Vec<u8>>>>,
    pub(super) status: Rc<Cell<[u32; 2]>>,
}

impl Given {
    pub(super) fn new() -> Self {
        Self {
            frames: Rc::default(),
            status: Rc::new(Cell::new([OWN; 2])),
        }
    }
}

impl TransmitMemory for Given {
    fn descriptors(&self) -> usize {
        2
    }

    fn buffer_octets(&self) -> usize {
        1_520
    }

    fn status(&self, index: usize) -> u32 {
        self.status.get()[index]
    }

    fn take(&mut self, _: usize) {}

    fn put(&mut self, _: usize, octets: &[u8]) {
        self.frames.borrow_mut().push(octets.to_vec());
    }

    fn give(&mut self, _: usize, _: usize) {}
}
