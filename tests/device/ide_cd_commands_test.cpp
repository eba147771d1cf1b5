// What a drive with a disc answers: MMC-3 (T10/1363-D), chapter 6, SPC-2 and SFF-8020i.

#include "tests/device/ide_cd_fixture.h"

#include "hw/block/cd_sector.h"

namespace machina::test {
namespace {

// --- attention and sense ---

TEST_F(IdeCdTest, TheFirstCommandHearsOfTheReset) {
  EXPECT_EQ(sense_after(kTestUnitReady), kReset);
  EXPECT_EQ(sense_after(kTestUnitReady), kNothing);
  m.reset();
  set_up();
  EXPECT_EQ(sense_after(read10(0, 1)), kReset);
  EXPECT_EQ(sense_after(read10(0, 1)), kNothing);
}

TEST_F(IdeCdTest, SomeCommandsAreCarriedOutAllTheSame) {
  for (const Packet& p : {packet(Opcode::Inquiry, {0, 0, 0, 36}), event_status(0x10),
                          packet(Opcode::GetConfiguration, {0, 0, 0, 0, 0, 0, 0, 8})}) {
    EXPECT_EQ(ports.pio(p).status, kReady);
  }
  EXPECT_EQ(sense(), kReset) << "REQUEST SENSE tells of it, too, and that was it";
  EXPECT_EQ(ports.pio(kTestUnitReady).status, kReady);
  m.reset();
  set_up();
  EXPECT_EQ(ports.pio(packet(static_cast<Opcode>(0xff))).sense_key(), 6U);
}

TEST_F(IdeCdTest, SenseIsKeptForTheNextCommandOnly) {
  wake();
  EXPECT_EQ(ports.pio(read10(3000, 1)).status, kReady | kErr);
  EXPECT_EQ(sense(), kBeyond);
  EXPECT_EQ(sense(), kNothing);
  EXPECT_EQ(ports.pio(read10(3000, 1)).status, kReady | kErr);
  EXPECT_EQ(ports.pio(kTestUnitReady).status, kReady);
  EXPECT_EQ(sense(), kNothing);
}

TEST_F(IdeCdTest, UnknownCommands) {
  wake();
  for (const unsigned op : {0x04U, 0x08U, 0x1aU, 0x2aU, 0x35U, 0x45U, 0xa1U, 0xa4U, 0xaaU, 0xffU})
    EXPECT_EQ(sense_after(packet(static_cast<Opcode>(op))), kBadOpcode) << op;
}

TEST_F(IdeCdTest, AnUnreadableBlockIsNamedAndThoseBeforeItAreGiven) {
  wake();
  disc->bad_block = 102;
  ports.begin(read10(100, 10), 0, 2048);
  Bytes got;
  while (io.status() & kDrq) io.read_block(got, 2048);
  EXPECT_EQ(io.error(), 0x30);
  EXPECT_EQ(got, blocks(100, 2));
  const Bytes s = reply_to(request_sense());
  EXPECT_EQ(s[0], 0xf0) << "the information is valid";
  EXPECT_EQ(be(s, 3, 4), 102U);
  EXPECT_EQ(s[2], 3);
  EXPECT_EQ(s[12], 0x11);
}

// --- commands ---

TEST_F(IdeCdTest, Inquiry) {
  const Bytes r = reply_to(packet(Opcode::Inquiry, {0, 0, 0, 96}));
  ASSERT_EQ(r.size(), 36U);
  EXPECT_EQ(r[0], 5);
  EXPECT_EQ(r[1], 0x80);
  EXPECT_EQ(r[3], 0x21);
  EXPECT_EQ(r[4], 31);
  EXPECT_EQ(std::string(r.begin() + 8, r.end()), "MACHINA DVD-ROM         2.5 ");
  EXPECT_EQ(reply_to(packet(Opcode::Inquiry, {1, 0x00, 0, 96})), (Bytes{5, 0, 0, 3, 0, 0x80, 0x83}));
  EXPECT_EQ(reply_to(packet(Opcode::Inquiry, {1, 0x80, 0, 96})), (Bytes{5, 0x80, 0, 2, 'S', '1'}));
  EXPECT_EQ(reply_to(packet(Opcode::Inquiry, {1, 0x83, 0, 96})).size(), 18U);
  EXPECT_EQ(sense_after(packet(Opcode::Inquiry, {1, 0xb0, 0, 96})), kBadField);
  EXPECT_EQ(sense_after(packet(Opcode::Inquiry, {0, 1, 0, 96})), kBadField);
}

TEST_F(IdeCdTest, CapacityAndReading) {
  wake();
  const Bytes r = reply_to(packet(Opcode::ReadCapacity));
  EXPECT_EQ(be(r, 0, 4), 2999U);
  EXPECT_EQ(be(r, 4, 4), 2048U);
  EXPECT_EQ(reply_to(read10(2999, 1)), blocks(2999, 1));
  EXPECT_EQ(reply_to(packet(Opcode::Read12, {0, 0, 0, 1, 2, 0, 0, 0, 2})), blocks(0x102, 2));
  EXPECT_EQ(reply_to(read10(5, 0)), Bytes());
  EXPECT_EQ(sense_after(read10(3000, 1)), kBeyond);
  EXPECT_EQ(sense_after(read10(2999, 2)), kBeyond);
  EXPECT_EQ(sense_after(read10(0xffffffff, 2)), kBeyond);
  EXPECT_EQ(sense_after(packet(Opcode::Read12, {0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})), kBeyond);
  EXPECT_EQ(sense_after(packet(Opcode::Seek10, {0, 0, 0, 0x0b, 0xb7})), kNothing);
  EXPECT_EQ(sense_after(packet(Opcode::Seek10, {0, 0, 0, 0x0b, 0xb8})), kBeyond);
}

TEST_F(IdeCdTest, ReadCdGivesAnyPartOfASector) {
  wake();
  const auto sector = mode1_sector(20, blocks(20, 1));
  const auto read_cd = [&](unsigned type, unsigned fields, unsigned sub = 0) {
    return packet(Opcode::ReadCd, {type << 2, 0, 0, 0, 20, 0, 0, 1, fields, sub});
  };
  const auto part = [&](std::size_t from, std::size_t to) { return Bytes(sector.begin() + from, sector.begin() + to); };
  EXPECT_EQ(reply_to(read_cd(0, 0x10)), blocks(20, 1));
  EXPECT_EQ(reply_to(read_cd(2, 0x10)), blocks(20, 1));
  EXPECT_EQ(reply_to(read_cd(0, 0xf8)), part(0, 2352));
  EXPECT_EQ(reply_to(read_cd(0, 0x20)), part(12, 16));
  EXPECT_EQ(reply_to(read_cd(0, 0xb0)), part(0, 2064));
  EXPECT_EQ(reply_to(read_cd(0, 0x18)), part(16, 2352));
  EXPECT_EQ(reply_to(read_cd(0, 0x50)), blocks(20, 1)) << "mode 1 has no sub-header";
  EXPECT_EQ(reply_to(read_cd(0, 0x00)), Bytes());
  EXPECT_EQ(sense_after(read_cd(0, 0x90)), kBadField) << "sync and data do not lie together";
  EXPECT_EQ(sense_after(read_cd(0, 0x12)), kBadField) << "no error flags";
  EXPECT_EQ(sense_after(read_cd(0, 0x10, 1)), kBadField) << "no sub-channels";
  for (const unsigned type : {1U, 3U, 4U, 5U}) EXPECT_EQ(sense_after(read_cd(type, 0x10)), kWrongMode) << type;
  const Result many = ports.pio(packet(Opcode::ReadCd, {0, 0, 0, 0, 20, 0, 0, 40, 0xf8}), 3000);
  EXPECT_EQ(many.data.size(), 40 * 2352U);
  EXPECT_EQ(Bytes(many.data.end() - 2352 + 16, many.data.end() - 288), blocks(59, 1));
  EXPECT_EQ(dma(packet(Opcode::ReadCd, {0, 0, 0, 0, 20, 0, 0, 1, 0xf8}), 2352).status, kReady);
  EXPECT_EQ(memory(2352), part(0, 2352));
  EXPECT_EQ(sense_after(packet(Opcode::ReadCd, {0, 0, 0, 0x0b, 0xb8, 0, 0, 1, 0x10})), kBeyond);
}

TEST_F(IdeCdTest, ReadCdByTime) {
  wake();
  // 00:02:20 is block 20.
  EXPECT_EQ(reply_to(packet(Opcode::ReadCdMsf, {0, 0, 0, 2, 20, 0, 2, 22, 0x10})), blocks(20, 2));
  EXPECT_EQ(sense_after(packet(Opcode::ReadCdMsf, {0, 0, 0, 2, 22, 0, 2, 20, 0x10})), kBadField);
  EXPECT_EQ(sense_after(packet(Opcode::ReadCdMsf, {0, 0, 0, 60, 0, 2, 0, 0, 0x10})), kBadField);
  EXPECT_EQ(sense_after(packet(Opcode::ReadCdMsf, {0, 0, 0, 0, 75, 0, 2, 0, 0x10})), kBadField);
  EXPECT_EQ(sense_after(packet(Opcode::ReadCdMsf, {0, 0, 0, 1, 0, 0, 2, 0, 0x10})), kBeyond) << "the pregap";
  EXPECT_EQ(sense_after(packet(Opcode::ReadCdMsf, {0, 0, 99, 1, 0, 99, 2, 0, 0x10})), kBeyond);
}

TEST_F(IdeCdTest, TableOfContents) {
  wake();
  const Bytes lba = {0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, 0, 0, 0x0b, 0xb8};
  EXPECT_EQ(reply_to(read_toc(0, 0, false)), lba);
  EXPECT_EQ(reply_to(read_toc(0, 1, false)), lba);
  // Block 3000 is 42 seconds from the disc's start.
  EXPECT_EQ(reply_to(read_toc(0, 0, true)),
            (Bytes{0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 2, 0, 0, 0x14, 0xaa, 0, 0, 0, 42, 0}));
  EXPECT_EQ(reply_to(read_toc(0, 0xaa, true)), (Bytes{0, 10, 1, 1, 0, 0x14, 0xaa, 0, 0, 0, 42, 0}));
  EXPECT_EQ(reply_to(read_toc(0, 0, false, 4)), (Bytes{0, 18, 1, 1})) << "the length is that of all there is";
  EXPECT_EQ(sense_after(read_toc(0, 2, false)), kBadField);
  EXPECT_EQ(reply_to(read_toc(1, 0, false)), (Bytes{0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0}));
  const Bytes full = {0, 46,   1, 1,                           //
                      1, 0x14, 0, 0xa0, 0, 0, 0, 0, 1, 0,  0,  // first track, CD-ROM
                      1, 0x14, 0, 0xa1, 0, 0, 0, 0, 1, 0,  0,  // last track
                      1, 0x14, 0, 0xa2, 0, 0, 0, 0, 0, 42, 0,  // lead-out
                      1, 0x14, 0, 0x01, 0, 0, 0, 0, 0, 2,  0};
  EXPECT_EQ(reply_to(read_toc(2, 0, true)), full);
  EXPECT_EQ(reply_to(read_toc(2, 1, false)), full) << "always in minutes and seconds";
  EXPECT_EQ(reply_to(packet(Opcode::ReadTocPmaAtip, {0, 0, 0, 0, 0, 0, 8, 0, 0x80})), full) << "SFF-8020i's place";
  for (const unsigned format : {3U, 4U, 5U}) EXPECT_EQ(sense_after(read_toc(format, 0, false)), kBadField) << format;
}

TEST_F(IdeCdTest, SubChannel) {
  wake();
  const auto sub = [](unsigned msf, unsigned q, unsigned format) {
    return packet(Opcode::ReadSubChannel, {msf, q, format, 0, 0, 1, 0, 64});
  };
  EXPECT_EQ(reply_to(sub(0, 0, 1)), (Bytes{0, 0x15, 0, 0}));
  EXPECT_EQ(sense_after(packet(Opcode::Seek10, {0, 0, 0, 0x01, 0x00})), kNothing);
  EXPECT_EQ(reply_to(sub(0, 0x40, 1)), (Bytes{0, 0x15, 0, 12, 1, 0x14, 1, 1, 0, 0, 1, 0, 0, 0, 1, 0}));
  EXPECT_EQ(reply_to(sub(2, 0x40, 1)), (Bytes{0, 0x15, 0, 12, 1, 0x14, 1, 1, 0, 0, 5, 31, 0, 0, 3, 31}));
  const Bytes catalog = reply_to(sub(0, 0x40, 2));
  ASSERT_EQ(catalog.size(), 24U);
  EXPECT_EQ(catalog[8] & 0x80, 0);
  EXPECT_EQ(reply_to(sub(0, 0x40, 3)).size(), 24U);
  EXPECT_EQ(sense_after(sub(0, 0x40, 0)), kBadField);
  EXPECT_EQ(sense_after(sub(0, 0x40, 4)), kBadField);
}

TEST_F(IdeCdTest, DiscInformation) {
  wake();
  const Bytes r = reply_to(packet(Opcode::ReadDiscInformation, {0, 0, 0, 0, 0, 0, 0, 64}));
  ASSERT_EQ(r.size(), 34U);
  EXPECT_EQ(be(r, 0, 2), 32U);
  EXPECT_EQ(r[2], 0x0e);
  EXPECT_EQ(r[3], 1);
  EXPECT_EQ(r[4], 1);
}

TEST_F(IdeCdTest, Configuration) {
  const auto configuration = [&](unsigned request, unsigned start, unsigned allocation = 0x200) {
    return reply_to(
        packet(Opcode::GetConfiguration, {request, start >> 8, start, 0, 0, 0, allocation >> 8, allocation}));
  };
  const auto features = [&](const Bytes& r) {
    EXPECT_EQ(be(r, 0, 4), r.size() - 4);
    std::vector<std::pair<unsigned, bool>> found;
    for (std::size_t at = 8; at < r.size(); at += 4U + r[at + 3]) found.emplace_back(be(r, at, 2), r[at + 2] & 1);
    return found;
  };
  using F = std::vector<std::pair<unsigned, bool>>;
  EXPECT_EQ(features(configuration(0, 0)),
            (F{{0, true}, {1, true}, {2, true}, {3, true}, {0x10, true}, {0x1e, true}, {0x1f, false}}));
  EXPECT_EQ(be(configuration(0, 0), 6, 2), mmc::kProfileCdRom);
  EXPECT_EQ(features(configuration(1, 3)), (F{{3, true}, {0x10, true}, {0x1e, true}}));
  EXPECT_EQ(features(configuration(2, 0x1f)), (F{{0x1f, false}}));
  EXPECT_EQ(features(configuration(2, 0x20)), F());
  EXPECT_EQ(configuration(0, 0, 8).size(), 8U);
  EXPECT_EQ(be(configuration(0, 0, 8), 0, 4), configuration(0, 0).size() - 4);
  const Bytes profiles = configuration(2, 0);
  EXPECT_EQ(Bytes(profiles.begin() + 12, profiles.end()), (Bytes{0, 0x10, 0, 0, 0, 8, 1, 0}));
  EXPECT_EQ(sense_after(packet(Opcode::GetConfiguration, {3, 0, 0, 0, 0, 0, 0, 8})), kBadField);
}

TEST_F(IdeCdTest, MechanismStatus) {
  wake();
  const Packet p = packet(Opcode::MechanismStatus, {0, 0, 0, 0, 0, 0, 0, 0, 8});
  EXPECT_EQ(reply_to(p), (Bytes{0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(reply_to(read10(0x123, 1)), blocks(0x123, 1));
  Bytes r = reply_to(p);
  EXPECT_GE(be(r, 2, 3), 0x124U) << "behind what was read, or read ahead";
  EXPECT_EQ(sense_after(start_stop(2)), kNothing);
  EXPECT_EQ(reply_to(p)[1], 0x10) << "the door is open";
}

TEST_F(IdeCdTest, ModeSense) {
  wake();
  const auto pages = [&](unsigned page, unsigned allocation = 0x100) {
    return packet(Opcode::ModeSense10, {0, page, 0, 0, 0, 0, allocation >> 8, allocation});
  };
  const Bytes all = reply_to(pages(0x3f));
  ASSERT_EQ(all.size(), 8U + 12 + 8 + 26);
  EXPECT_EQ(be(all, 0, 2), all.size() - 2);
  EXPECT_EQ(all[2], 0x01) << "a data disc";
  EXPECT_EQ(all[8], 0x01);
  EXPECT_EQ(all[20], 0x0d);
  EXPECT_EQ(all[28], 0x2a);
  const Bytes capabilities = reply_to(pages(0x2a));
  ASSERT_EQ(capabilities.size(), 34U);
  EXPECT_EQ(capabilities[9], 24);
  EXPECT_EQ(capabilities[10] & 0x08, 0x08) << "reads DVDs";
  EXPECT_EQ(capabilities[11], 0) << "writes nothing";
  EXPECT_EQ(capabilities[14], 0x29) << "lock, eject, tray";
  EXPECT_EQ(sense_after(prevent(1)), kNothing);
  EXPECT_EQ(reply_to(pages(0x2a))[14], 0x2b) << "locked";
  EXPECT_EQ(reply_to(pages(0x3f, 10)).size(), 10U);
  EXPECT_EQ(sense_after(pages(0x0e)), kBadField);
  EXPECT_EQ(sense_after(pages(0xc0 | 0x2a)), (SenseCode{5, 0x39, 0}));
  EXPECT_EQ(reply_to(pages(0x40 | 0x01)).at(10), 0x37) << "what may be changed";
  EXPECT_EQ(reply_to(pages(0x40 | 0x2a)).at(10), 0);
}

TEST_F(IdeCdTest, ModeSelect) {
  wake();
  const auto select = [&](Bytes list, unsigned flags = 0x10) {
    const auto n = static_cast<unsigned>(list.size());
    const Result r = ports.pio(packet(Opcode::ModeSelect10, {flags, 0, 0, 0, 0, 0, n >> 8, n}), 10, list);
    return r.status == kReady ? kNothing : sense();
  };
  const auto page1 = [&](unsigned control) {
    const Bytes r = reply_to(packet(Opcode::ModeSense10, {0, control << 6 | 1, 0, 0, 0, 0, 0, 64}));
    return Bytes(r.begin() + 8, r.end());
  };
  Bytes list(8);
  const Bytes original = page1(0);
  Bytes page = original;
  page[2] = 0x20, page[3] = 9;
  list.insert(list.end(), page.begin(), page.end());
  EXPECT_EQ(select(list), kNothing);
  EXPECT_EQ(page1(0), page);
  EXPECT_EQ(page1(2), original) << "the default stays";
  const SenseCode bad_parameter{5, 0x26, 0}, bad_length{5, 0x1a, 0};
  Bytes wrong = list;
  wrong[12] = 1;
  EXPECT_EQ(select(wrong), bad_parameter) << "this byte cannot be changed";
  EXPECT_EQ(page1(0), page);
  wrong = list, wrong[9] = 6;
  EXPECT_EQ(select(wrong), bad_parameter);
  wrong = list, wrong[8] = 0x0e;
  EXPECT_EQ(select(wrong), bad_parameter);
  wrong = list, wrong[7] = 8;
  EXPECT_EQ(select(wrong), bad_parameter);
  wrong = list, wrong.resize(15);
  EXPECT_EQ(select(wrong), bad_length);
  EXPECT_EQ(select(Bytes(6)), bad_length);
  EXPECT_EQ(select({}), kNothing);
  EXPECT_EQ(sense_after(packet(Opcode::ModeSelect10, {0x11, 0, 0, 0, 0, 0, 0, 8})), kBadField) << "nothing is saved";
  EXPECT_EQ(sense_after(packet(Opcode::ModeSelect10, {0, 0, 0, 0, 0, 0, 0, 8})), kBadField);
  m.reset();
  set_up();
  wake();
  EXPECT_EQ(page1(0), original);
}

// --- DVDs ---

TEST_F(IdeCdDvdTest, WhatIsLongerThanACdIsADvd) {
  wake();
  const Bytes c = reply_to(packet(Opcode::GetConfiguration, {1, 0, 0x1e, 0, 0, 0, 1, 0}));
  EXPECT_EQ(be(c, 6, 2), mmc::kProfileDvdRom);
  EXPECT_EQ(be(c, 8, 2), 0x1fU);
  EXPECT_EQ(be(reply_to(packet(Opcode::ReadCapacity)), 0, 4), kBlocks - 1);
  EXPECT_EQ(reply_to(read10(kBlocks - 1, 1)), blocks(kBlocks - 1, 1));
  const Bytes toc = reply_to(read_toc(0, 0xaa, true));
  EXPECT_EQ(Bytes(toc.end() - 4, toc.end()), (Bytes{0, 0xff, 59, 74})) << "more than minutes can say";
  EXPECT_EQ(be(reply_to(read_toc(0, 0xaa, false)), 8, 4), kBlocks);
  EXPECT_EQ(sense_after(packet(Opcode::ReadCd, {0, 0, 0, 0, 0, 0, 0, 1, 0xf8})), kWrongMode);
  EXPECT_EQ(reply_to(packet(Opcode::ReadCd, {0, 0, 0, 0, 0, 0, 0, 1, 0x10})), blocks(0, 1));
}

TEST_F(IdeCdDvdTest, Structure) {
  wake();
  const auto structure = [](unsigned format, unsigned layer = 0, unsigned allocation = 0x1000) {
    return packet(Opcode::ReadDvdStructure, {0, 0, 0, 0, 0, layer, format, allocation >> 8, allocation});
  };
  const Bytes physical = reply_to(structure(0));
  ASSERT_EQ(physical.size(), 2052U);
  EXPECT_EQ(be(physical, 0, 2), 2050U);
  EXPECT_EQ(be(physical, 8, 4), 0x30000U);
  EXPECT_EQ(be(physical, 12, 4), 0x30000U + kBlocks - 1);
  EXPECT_EQ(reply_to(structure(1)), (Bytes{0, 6, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(reply_to(structure(4)).size(), 2052U);
  EXPECT_EQ(reply_to(structure(0xff)), (Bytes{0, 14, 0, 0, 0, 0x40, 8, 4, 1, 0x40, 0, 8, 4, 0x40, 8, 4}));
  EXPECT_EQ(sense_after(structure(0, 1)), kBadField);
  EXPECT_EQ(sense_after(structure(2)), kBadField);
}

TEST_F(IdeCdTest, ACdHasNoDvdStructure) {
  wake();
  EXPECT_EQ(sense_after(packet(Opcode::ReadDvdStructure, {0, 0, 0, 0, 0, 0, 0, 8, 4})), (SenseCode{5, 0x30, 2}));
}

}  // namespace
}  // namespace machina::test
