//! Our addresses and bits against ST's own description of the registers.

use stm32_metapac::ETH;
use stm32_metapac::eth::regs;

use crate::registers::*;

#[test]
fn addresses() {
    let (mac, mtl, dma) = (ETH.ethernet_mac(), ETH.ethernet_mtl(), ETH.ethernet_dma());
    let cases: &[(&str, u32, *mut ())] = &[
        ("MACCR", MACCR, mac.maccr().as_ptr().cast()),
        ("MACPFR", MACPFR, mac.macpfr().as_ptr().cast()),
        ("MACVTR", MACVTR, mac.macvtr().as_ptr().cast()),
        ("MACQTXFCR", MACQTXFCR, mac.macqtx_fcr().as_ptr().cast()),
        ("MACRXFCR", MACRXFCR, mac.macrx_fcr().as_ptr().cast()),
        ("MACIER", MACIER, mac.macier().as_ptr().cast()),
        ("MAC1USTCR", MAC1USTCR, mac.mac1ustcr().as_ptr().cast()),
        ("MACMDIOAR", MACMDIOAR, mac.macmdioar().as_ptr().cast()),
        ("MACMDIODR", MACMDIODR, mac.macmdiodr().as_ptr().cast()),
        (
            "MMC_CONTROL",
            MMC_CONTROL,
            mac.mmc_control().as_ptr().cast(),
        ),
        (
            "MMC_RX_INTERRUPT_MASK",
            MMC_RX_INTERRUPT_MASK,
            mac.mmc_rx_interrupt_mask().as_ptr().cast(),
        ),
        (
            "MMC_TX_INTERRUPT_MASK",
            MMC_TX_INTERRUPT_MASK,
            mac.mmc_tx_interrupt_mask().as_ptr().cast(),
        ),
        (
            "RX_CRC_ERROR_PACKETS",
            RX_CRC_ERROR_PACKETS,
            mac.rx_crc_error_packets().as_ptr().cast(),
        ),
        ("MACTSCR", MACTSCR, mac.mactscr().as_ptr().cast()),
        ("MACSSIR", MACSSIR, mac.macssir().as_ptr().cast()),
        ("MACSTSR", MACSTSR, mac.macstsr().as_ptr().cast()),
        ("MACSTNR", MACSTNR, mac.macstnr().as_ptr().cast()),
        ("MACSTSUR", MACSTSUR, mac.macstsur().as_ptr().cast()),
        ("MACSTNUR", MACSTNUR, mac.macstnur().as_ptr().cast()),
        ("MACTSAR", MACTSAR, mac.mactsar().as_ptr().cast()),
        ("MTLTXQOMR", MTLTXQOMR, mtl.mtltx_qomr().as_ptr().cast()),
        ("DMACTXCR", DMACTXCR, dma.dmactx_cr().as_ptr().cast()),
        ("DMACTXDLAR", DMACTXDLAR, dma.dmactx_dlar().as_ptr().cast()),
        ("DMACTXDTPR", DMACTXDTPR, dma.dmactx_dtpr().as_ptr().cast()),
        ("DMACTXRLR", DMACTXRLR, dma.dmactx_rlr().as_ptr().cast()),
        ("MTLRXQOMR", MTLRXQOMR, mtl.mtlrx_qomr().as_ptr().cast()),
        (
            "MTLRXQMPOCR",
            MTLRXQMPOCR,
            mtl.mtlrx_qmpocr().as_ptr().cast(),
        ),
        ("DMAMR", DMAMR, dma.dmamr().as_ptr().cast()),
        ("DMASBMR", DMASBMR, dma.dmasbmr().as_ptr().cast()),
        ("DMACCR", DMACCR, dma.dmaccr().as_ptr().cast()),
        ("DMACRXCR", DMACRXCR, dma.dmacrx_cr().as_ptr().cast()),
        ("DMACRXDLAR", DMACRXDLAR, dma.dmacrx_dlar().as_ptr().cast()),
        ("DMACRXDTPR", DMACRXDTPR, dma.dmacrx_dtpr().as_ptr().cast()),
        ("DMACRXRLR", DMACRXRLR, dma.dmacrx_rlr().as_ptr().cast()),
        ("DMACIER", DMACIER, dma.dmacier().as_ptr().cast()),
        ("DMACSR", DMACSR, dma.dmacsr().as_ptr().cast()),
        ("DMACMFCR", DMACMFCR, dma.dmacmfcr().as_ptr().cast()),
    ];
    for (name, offset, theirs) in cases {
        assert_eq!(BASE + *offset as usize, theirs.addr(), "{name}");
        assert!(*offset < WINDOW, "{name}");
    }
}

/// Sets fields of a register that is 0 elsewhere; its value.
macro_rules! value {
    ($register:ident { $($set:ident($value:expr)),* }) => {{
        let mut register = regs::$register(0);
        $(register.$set($value.into());)*
        register.0
    }};
}

/// Ours and theirs.
fn same(cases: &[(&str, u32, u32)]) {
    for (name, ours, theirs) in cases {
        assert_eq!(ours, theirs, "{name}: {ours:#x}, {theirs:#x}");
    }
}

#[test]
fn bits_of_the_mac() {
    let cases: &[(&str, u32, u32)] = &[
        ("RE", MACCR_RE, value!(Maccr { set_re(true) })),
        ("TE", MACCR_TE, value!(Maccr { set_te(true) })),
        ("DM", MACCR_DM, value!(Maccr { set_dm(true) })),
        ("FES", MACCR_FES, value!(Maccr { set_fes(true) })),
        ("JE", MACCR_JE, value!(Maccr { set_je(true) })),
        ("PR", MACPFR_PR, value!(Macpfr { set_pr(true) })),
        ("PCF", MACPFR_PCF_ALL, value!(Macpfr { set_pcf(2_u8) })),
        ("RA", MACPFR_RA, value!(Macpfr { set_ra(true) })),
        ("MB", MDIO_MB, value!(Macmdioar { set_mb(true) })),
        ("write", MDIO_GOC_WRITE, value!(Macmdioar { set_goc(1_u8) })),
        ("read", MDIO_GOC_READ, value!(Macmdioar { set_goc(3_u8) })),
        ("CR", 1 << MDIO_CR_SHIFT, value!(Macmdioar { set_cr(1_u8) })),
        (
            "RDA",
            1 << MDIO_RDA_SHIFT,
            value!(Macmdioar { set_rda(1_u8) }),
        ),
        ("PA", 1 << MDIO_PA_SHIFT, value!(Macmdioar { set_pa(1_u8) })),
        (
            "CNTRST",
            MMC_CNTRST,
            value!(MmcControl { set_cntrst(true) }),
        ),
        (
            "RSTONRD",
            MMC_RSTONRD,
            value!(MmcControl { set_rstonrd(true) }),
        ),
        (
            "MMC RX mask",
            MMC_RX_MASK_ALL,
            value!(MmcRxInterruptMask {
                set_rxcrcerpim(true), set_rxalgnerpim(true), set_rxucgpim(true),
                set_rxlpiuscim(true), set_rxlpitrcim(true)
            }),
        ),
        (
            "MMC TX mask",
            MMC_TX_MASK_ALL,
            value!(MmcTxInterruptMask {
                set_txscolgpim(true), set_txmcolgpim(true), set_txgpktim(true),
                set_txlpiuscim(true), set_txlpitrcim(true)
            }),
        ),
        ("TSENA", MACTSCR_TSENA, value!(Mactscr { set_tsena(true) })),
        (
            "TSCFUPDT",
            MACTSCR_TSCFUPDT,
            value!(Mactscr { set_tscfupdt(true) }),
        ),
        (
            "TSINIT",
            MACTSCR_TSINIT,
            value!(Mactscr { set_tsinit(true) }),
        ),
        (
            "TSADDREG",
            MACTSCR_TSADDREG,
            value!(Mactscr { set_tsaddreg(true) }),
        ),
        (
            "TSENALL",
            MACTSCR_TSENALL,
            value!(Mactscr { set_tsenall(true) }),
        ),
        (
            "TSCTRLSSR",
            MACTSCR_TSCTRLSSR,
            value!(Mactscr { set_tsctrlssr(true) }),
        ),
        (
            "SSINC",
            20 << MACSSIR_SSINC_SHIFT,
            value!(Macssir { set_ssinc(20_u8) }),
        ),
    ];
    same(cases);
}

#[test]
fn bits_of_queue_and_dma() {
    let cases: &[(&str, u32, u32)] = &[
        ("FUP", MTLRXQOMR_FUP, value!(MtlrxQomr { set_fup(true) })),
        ("FEP", MTLRXQOMR_FEP, value!(MtlrxQomr { set_fep(true) })),
        (
            "DIS_TCP_EF",
            MTLRXQOMR_DIS_TCP_EF,
            value!(MtlrxQomr { set_dis_tcp_ef(true) }),
        ),
        ("RQS", MTLRXQOMR_RQS, value!(MtlrxQomr { set_rqs(7_u8) })),
        ("TSF", MTLTXQOMR_TSF, value!(MtltxQomr { set_tsf(true) })),
        (
            "TXQEN",
            MTLTXQOMR_TXQEN,
            value!(MtltxQomr { set_txqen(2_u8) }),
        ),
        ("TQS", MTLTXQOMR_TQS, value!(MtltxQomr { set_tqs(7_u8) })),
        ("ST", DMACTXCR_ST, value!(DmactxCr { set_st(true) })),
        (
            "TXPBL",
            DMACTXCR_TXPBL_16,
            value!(DmactxCr { set_txpbl(16_u8) }),
        ),
        ("SWR", DMAMR_SWR, value!(Dmamr { set_swr(true) })),
        ("FB", DMASBMR_FB, value!(Dmasbmr { set_fb(true) })),
        ("AAL", DMASBMR_AAL, value!(Dmasbmr { set_aal(true) })),
        ("SR", DMACRXCR_SR, value!(DmacrxCr { set_sr(true) })),
        (
            "RBSZ",
            512 << DMACRXCR_RBSZ_SHIFT,
            value!(DmacrxCr { set_rbsz(512_u16) }),
        ),
        (
            "RXPBL",
            DMACRXCR_RXPBL_32,
            value!(DmacrxCr { set_rxpbl(32_u8) }),
        ),
        ("RIE", DMA_RI, value!(Dmacier { set_rie(true) })),
        ("RBUE", DMA_RBU, value!(Dmacier { set_rbue(true) })),
        ("FBEE", DMA_FBE, value!(Dmacier { set_fbee(true) })),
        ("AIE", DMA_AI, value!(Dmacier { set_aie(true) })),
        ("NIE", DMA_NI, value!(Dmacier { set_nie(true) })),
        ("RI", DMA_RI, value!(Dmacsr { set_ri(true) })),
        ("RBU", DMA_RBU, value!(Dmacsr { set_rbu(true) })),
        ("FBE", DMA_FBE, value!(Dmacsr { set_fbe(true) })),
        ("AIS", DMA_AI, value!(Dmacsr { set_ais(true) })),
        ("NIS", DMA_NI, value!(Dmacsr { set_nis(true) })),
        (
            "OVFPKTCNT",
            0x7ff,
            value!(MtlrxQmpocr { set_ovfpktcnt(0x7ff_u16) }),
        ),
        (
            "OVFCNTOVF",
            1 << 11,
            value!(MtlrxQmpocr { set_ovfcntovf(true) }),
        ),
        (
            "MISPKTCNT",
            0x7ff << 16,
            value!(MtlrxQmpocr { set_mispktcnt(0x7ff_u16) }),
        ),
        (
            "MISCNTOVF",
            1 << 27,
            value!(MtlrxQmpocr { set_miscntovf(true) }),
        ),
        ("MFC", 0x7ff, value!(Dmacmfcr { set_mfc(0x7ff_u16) })),
        ("MFCO", 1 << 15, value!(Dmacmfcr { set_mfco(true) })),
    ];
    same(cases);
}
