/**
 * Values that travel between the modules; nothing here runs.
 *
 * @typedef {{x: number, y: number, width: number, height: number}} Region
 *   A part of a picture, in its pixels.
 *
 * @typedef {{data: Uint8ClampedArray | Uint8Array, width: number, height: number}} Source
 *   Pixels as a canvas gives them: RGBA, rows from the top; the fourth channel is not looked at.
 *
 * @typedef {"crop" | "stretch" | "full"} View
 *   Part of a picture that the network is shown.
 *
 * @typedef {"softmax" | "sigmoid" | "binary" | "raw"} OutputName
 *
 * @typedef {object} Preprocessing
 * @property {number} height Of the network's input.
 * @property {number} width Of the network's input.
 * @property {number | null} resize Short side; null where the whole picture is squeezed.
 * @property {number | null} resize_height
 * @property {number | null} resize_width
 * @property {"floor" | "half-even"} rounding Of the long side.
 * @property {string} filter Of the resize, by PIL's names.
 * @property {View[]} views
 * @property {number} grid
 * @property {number} longest_ratio
 *
 * @typedef {object} Model
 * @property {string} name
 * @property {string[]} labels
 * @property {string[]} titles The labels, each of them once, for a list to choose from.
 * @property {number[] | "top"} classes Those that evidence has maps of, in its order; "top" where
 *   the graph says it for each picture.
 * @property {number} maps How many these are.
 * @property {OutputName} output
 * @property {number} threshold
 * @property {string} layer
 * @property {string} method
 * @property {string} unit Of the maps: "logits", or nothing that can be compared.
 * @property {string} precision
 * @property {Record<string, number> | null} int8 How far it is from the network in float32, where it
 *   is in 8 bits.
 * @property {number[] | null} bias
 * @property {string} method_title
 * @property {boolean} contrasts Maps of two classes can be subtracted.
 * @property {string} weights_hash
 * @property {string[]} notes
 * @property {boolean} [taught] Its classes were taught here.
 *
 * @typedef {object} Settings
 * @property {View} view
 * @property {string} colormap
 * @property {string[]} colormaps
 * @property {import("./state.js").Choices["layout"][]} layouts
 * @property {number} opacity
 * @property {number} opacity_step
 * @property {number} top_k
 * @property {number} tiles
 * @property {number} votes Of a spot, for and against, that are named beside the shown class's.
 * @property {string[]} film_suffixes Endings of films, with their dots.
 * @property {number} max_pixels
 *
 * @typedef {object} Figures
 * @property {{fade: number, fine: number, dimmed: number}} heat
 * @property {{attack: number, decay: number, floor: number, forget: number}} scale
 * @property {{margin: number, patience: number, rate: number, smallest_lead: number}} labels
 * @property {{taps: number[], noise_band: number, largest_band: number, creep: number, noise_growth: number, deviations: number, news: number}} maps
 * @property {import("./removal.js").RemovalFigures} removal
 * @property {{every_frames: number}} truth
 * @property {{clear: number, clear_share: number, most: number, times: number, hardly: number, no_nouns: string[]}} verdict
 * @property {{low_confidence: number}} answer
 *
 * @typedef {object} Site
 * @property {string} title
 * @property {string} version
 * @property {Figures} figures
 * @property {Record<string, {bytes: number, sha256: string}>} files
 * @property {number} format
 * @property {{file: string, bytes: number, sha256: string}} graph
 * @property {Model} model
 * @property {Teaching | null} teaching Null where nothing can be taught.
 * @property {Preprocessing} preprocessing
 * @property {Record<string, string>} texts
 * @property {Record<string, number[][]>} colormaps Name to 256 colours, RGB.
 * @property {Record<string, {keys: string[], shown: string}>} keys
 * @property {Settings} settings
 * @property {{version: string}} runtime
 * @property {{file: string, title: string}[]} examples
 *
 * @typedef {object} Prediction
 * @property {number} index
 * @property {string} label
 * @property {number} score In logits, or the output's own number.
 * @property {number | null} probability 0..1; null where the output is plain numbers.
 *
 * @typedef {object} Maps
 * @property {Float32Array} data K maps of h rows of w, signed.
 * @property {number[]} classes Whose maps these are.
 * @property {number} rows
 * @property {number} columns
 *
 * @typedef {object} Explanation
 * @property {Float32Array} scores One for each class.
 * @property {Maps} evidence
 * @property {Prediction[]} predictions Best first.
 * @property {Region} region Part of the picture that the maps cover.
 * @property {boolean} finite False where the numbers overflowed.
 * @property {number} width Of the picture that was explained.
 * @property {number} height Of the picture that was explained.
 * @property {string} engine That ran the network.
 * @property {{preprocess: number, network: number}} timings Milliseconds.
 * @property {Kept | null} [kept] What a head is taught on, where that was asked for.
 *
 * @typedef {object} Kept What the network made of a picture.
 * @property {import("./teaching/features.js").Layer} layer
 * @property {Float32Array} pooled Mean of each channel of the layer.
 * @property {Uint8Array} pixels What the network was shown, RGB.
 * @property {number} width
 * @property {number} height
 *
 * @typedef {object} Teaching What teaching needs to know, see live_gradcam.site.teaching.
 * @property {number} features Channels of the explained layer.
 * @property {string} trunk Its hash.
 * @property {Record<string, string>} facts What a file of a taught head says about itself.
 * @property {string} method_title
 * @property {number[]} strengths
 * @property {number} default_strength
 * @property {number} most_folds
 * @property {number} most_classes
 * @property {number} most_examples
 * @property {string} anything_else
 *
 * @typedef {object} Removal
 * @property {number} classIndex
 * @property {string} label
 * @property {number} before Probability of the class, or its number.
 * @property {number} withoutHot
 * @property {number[]} withoutControls
 * @property {number} share Hidden share of what the network saw.
 * @property {boolean} ofProbability
 * @property {boolean} named
 * @property {boolean} namedWithoutHot
 * @property {number} namedWithoutControls
 * @property {boolean} exclusive
 * @property {number | null} completenessResidual
 *
 * @typedef {object} Reading What the truth meter found.
 * @property {Removal | null} removal Null where there was no evidence to test.
 * @property {Uint8Array | null} mask The hottest area, over the region.
 * @property {number} side Of the mask, which is square.
 *
 * @typedef {object} Engine
 * @property {string} name "wasm" or "webgpu".
 * @property {number} threads
 * @property {number | null} milliseconds Median of one picture; null where it was not measured.
 *
 * @typedef {object} EngineReport
 * @property {Engine} used
 * @property {Engine[]} measured Every engine that ran, with its time.
 * @property {Failure[]} notes Why others did not.
 *
 * @typedef {{key: string, values: Record<string, string | number>}} Failure
 *   A sentence of the table of texts and what goes into it.
 */

export {};
