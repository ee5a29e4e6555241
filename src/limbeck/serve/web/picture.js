// A picture as the server takes it: of a type that it decodes, no larger than it may be. Knows canvases; knows no server and no elements.

const LONGEST = 2048;

/**
 * The file itself where it can be sent as it is, else the picture in it drawn anew and smaller; null where there is none.
 * types: that the server decodes; most: pixels; bytes: of a file.
 */
export async function fitting(file, { types, most }, bytes) {
  const known = types.includes(file.type) && file.size <= bytes;
  let picture;
  try {
    picture = await createImageBitmap(file);
  } catch {
    return known ? file : null; // the server decodes some that a browser does not
  }
  if (known && picture.width * picture.height <= most) return file;
  const scale = Math.min(1, LONGEST / Math.max(picture.width, picture.height), Math.sqrt(most / (picture.width * picture.height)));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.floor(picture.width * scale));
  canvas.height = Math.max(1, Math.floor(picture.height * scale));
  const drawing = canvas.getContext("2d");
  drawing.imageSmoothingQuality = "high";
  drawing.fillStyle = "#fff"; // as the server does with what is transparent
  drawing.fillRect(0, 0, canvas.width, canvas.height);
  drawing.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", 0.95); });
}
