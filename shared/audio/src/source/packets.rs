//! Packets of one track.

use symphonia::core::errors::Error;
use symphonia::core::formats::FormatReader;
use symphonia::core::packet::Packet;

use super::SourceError;

/// The next packet of one track; `None` at the end.
pub(super) fn next_packet_of(
    reader: &mut dyn FormatReader,
    track_id: u32,
) -> Result<Option<Packet>, SourceError> {
    loop {
        match reader.next_packet() {
            Ok(Some(packet)) if packet.track_id == track_id => return Ok(Some(packet)),
            Ok(Some(_)) => {}
            Ok(None) => return Ok(None),
            // A second stream was appended to the first one.
            Err(Error::ResetRequired) => return Err(SourceError::FormatChanged),
            Err(error) => return Err(error.into()),
        }
    }
}
